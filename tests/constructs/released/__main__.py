from __future__ import annotations

import json

from tests.constructs.released.stacks import FOLDER, STACKS, template

for name, stack in STACKS.items():
    text = json.dumps(template(stack), indent=1, sort_keys=True)
    (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
