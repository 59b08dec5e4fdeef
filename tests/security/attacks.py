"""What a user of one tenant tries, to get at the items of another one: one entry an idea."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.security.requests import Request

__all__ = ["attacks", "look_alikes", "malformed_claims", "tenant_spellings"]


def look_alikes(tenant: str) -> dict[str, str]:
    """Other tenants whose names are easily taken for ``tenant``; none of them is it."""
    found = {
        "fullwidth": "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in tenant),
        "homoglyph": tenant.replace("i", "\u0456").replace("a", "\u0430"),
        "kelvin sign": tenant.replace("k", "\u212a"),
        "angstrom sign": tenant.replace("\u00e5", "\u212b"),
        "dotless i": tenant.replace("i", "\u0131"),
        "dotted I": tenant.replace("i", "\u0130"),
        "sharp s": tenant.replace("ss", "\u00df"),
        "long s": tenant.replace("s", "\u017f"),
        "NFD": unicodedata.normalize("NFD", tenant),
        "zero width": f"{tenant[:1]}\u200b{tenant[1:]}",
        "soft hyphen": f"{tenant}\u00ad",
        "right to left": f"\u202e{tenant}",
        "space before": f" {tenant}",
        "space behind": f"{tenant} ",
        "no-break space": f"{tenant}\u00a0",
        "tab": f"\t{tenant}",
        "line feed": f"{tenant}\n",
        "NUL": f"{tenant}\0",
        "beginning": tenant[:-1],
        "longer": f"{tenant}2",
        "with a separator before": f"x#{tenant}",
        "with a separator behind": f"{tenant}#x",
        "only a separator behind": f"{tenant}#",
        "fullwidth separator": f"{tenant}\uff03",
        "escaped separator": f"{tenant}%23",
        "version": f"{tenant}@1",
        "wildcard": "*",
        "list": f"globex,{tenant}",
        "JSON": f'["{tenant}"]',
        "quotes": f'"{tenant}"',
    }
    return {name: code for name, code in found.items() if code != tenant}


def tenant_spellings(tenant: str) -> dict[str, str]:
    """What is written where a tenant is expected."""
    return {
        "itself": tenant,
        "upper case": tenant.upper(),
        "common": "common",
        "empty": "",
        **look_alikes(tenant),
    }


def malformed_claims(victim: str, own: str) -> dict[str, dict[str, Any]]:
    """Claims beside those of a user of ``own`` that somebody might take for the victim's, or for a role."""
    everywhere = "system_admin"
    admin = [{"tenant": "", "role": everywhere}]
    text = json.dumps(admin)
    return {
        "a list as tenant": {"custom:tenant": [victim]},
        "an object as tenant": {"custom:tenant": {"tenant": victim}},
        "a list in a role": {"custom:roles": json.dumps([*admin, {"tenant": [victim], "role": "admin"}])},
        "roles that are a list": {"custom:roles": admin},
        "roles that are one text": {"custom:roles": "system_admin"},
        "roles that end early": {"custom:roles": text[:-1]},
        "a constant of Python's": {"custom:roles": text[:-1] + ', {"role": NaN}]'},
        "a number as user": {"sub": 5, "custom:roles": text},
        "names of other issuers": {
            "tenant": victim, "org": victim, "custom:Tenant": victim, "Custom:tenant": victim,
            "custom:tenant ": victim, "tenant_code": victim, "cognito:groups": ["system_admin"],
            "roles": admin, "groups": admin, "custom:role": "system_admin", "scope": "system_admin",
        },
        "groups that are roles": {"custom:groups": json.dumps([{"tenant": victim, "groups": [everywhere]}])},
        "a role nowhere": {"custom:roles": json.dumps([{"tenant": f"{own}#{victim}", "role": everywhere}])},
    }  # fmt: skip


def _keys(kind: str, victim: str, own: str) -> Iterator[tuple[str, str]]:
    """Partition keys, for a body in which the client says which."""
    for name, code in tenant_spellings(victim).items():
        yield name, f"{kind}#{code}"
    yield "own, upper case", f"{kind}#{own.upper()}"
    yield "foreign, then own", f"{kind}#{victim}#{own}"
    yield "own, then foreign", f"{kind}#{own}#{victim}"
    yield "no kind", f"#{victim}"
    yield "two separators", f"{kind}##{victim}"
    yield "trailing separator", f"{kind}#{victim}#"
    yield "no tenant", kind
    yield "only separators", "##"
    yield "nothing", ""
    for name, mark in {
        "escaped": "%23",
        "escaped twice": "%2523",
        "escaped thrice": "%252523",
        "JSON escape": "\\u0023",
        "fullwidth": "\uff03",
        "small": "\ufe5f",
        "music sharp": "\u266f",
        "entity": "&#35;",
        "NUL before": "\0#",
        "NUL behind": "#\0",
        "at": "@",
        "escaped at": "%40",
    }.items():
        yield f"{name} separator", f"{kind}{mark}{victim}"
        yield f"{name} separator, then own", f"{kind}{mark}{victim}#{own}"


def _in_path(kind: str, victim: str, sk: str) -> Iterator[tuple[str, str]]:
    """Sort keys as they stand in a path, escaped once or more."""
    for name, text in {
        "its id": f"{kind}#{victim}#{sk}",
        "its key": f"{victim}#{sk}",
        "up": f"../{kind}#{victim}/{sk}",
        "tenant behind": f"{sk}#{victim}",
        "version": f"{sk}@1",
        "pending version": f"{sk}@4",
        "NUL": f"{sk}\0{victim}",
        "fullwidth": f"{sk}\uff03{victim}",
        "query": f"{sk}?tenant={victim}",
        "fragment": f"#{victim}#{sk}",
        "list": f"{sk},{victim}",
        "dots": "..",
        "dots in it": f"a/../../{kind}#{victim}/{sk}",
        "its key behind dots": f"./{sk}",
        "question mark": f"{sk}?",
        "percent sign": f"{sk}%",
        "line": f"{sk}\r\nx-tenant-code: {victim}",
        "line separator": f"{sk}\u2028{victim}",
    }.items():
        yield name, quote(text, safe="")
        yield f"{name}, escaped twice", quote(quote(text, safe=""), safe="")
        yield f"{name}, escaped thrice", quote(quote(quote(text, safe=""), safe=""), safe="")
    yield "slash", f"{quote(kind)}%23{victim}/{quote(sk)}"
    yield "dots", f"%2e%2e/{quote(sk)}"
    yield "overlong", f"{quote(sk)}%c0%a3{victim}"
    yield "broken UTF-8", f"{quote(sk)}%ff"


def _headers(victim: str, sk: str) -> Iterator[tuple[str, dict[str, str]]]:
    role = f'[{{"tenant":"{victim}","role":"system_admin"}},{{"tenant":"","role":"system_admin"}}]'
    for name, code in tenant_spellings(victim).items():
        yield f"tenant header: {name}", {"x-tenant-code": code}
    yield "tenant header twice", {"x-tenant-code": "globex", "X-Tenant-Code": victim}
    yield (
        "forged claims",
        {
            "custom:tenant": victim,
            "custom:roles": role,
            "x-custom-roles": role,
            "x-tenant": victim,
            "x-tenant-id": victim,
            "x-role": "system_admin",
            "x-user-id": "root",
            "x-forwarded-user": "root",
            "x-amzn-oidc-data": "e30.e30.",
            "x-amzn-request-context": f'{{"authorizer":{{"claims":{{"custom:tenant":"{victim}"}}}}}}',
            "x-apigateway-event": f'{{"claims":{{"custom:tenant":"{victim}"}}}}',
        },
    )
    yield "another method", {"x-http-method-override": "GET", "x-original-url": f"/notes/{sk}"}
    for tag in ("1", "2", "3", "4"):
        yield f"its version {tag}", {"If-Match": f'"{tag}"'}
        yield f"its ETag {tag}", {"If-None-Match": f'"{tag}"'}
    yield "no version", {"If-None-Match": "*"}
    yield "lines in the tenant header", {"x-tenant-code": f"globex\r\nx-tenant-code: {victim}"}
    yield "its idempotency key", {"Idempotency-Key": "key-1"}
    yield "its publish id", {"Idempotency-Key": "owner-planted-4f1c:key-1"}


def _query(kind: str, victim: str, sk: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield (
        "query names the tenant",
        {"tenant": victim, "tenantCode": victim, "tenant_code": victim, "x-tenant-code": victim},
    )
    yield "query names the key", {"pk": f"{kind}#{victim}", "id": f"{kind}#{victim}#{sk}", "sk": sk}
    yield "query forges a role", {"roles": "system_admin", "role": "system_admin", "custom:tenant": victim}
    yield "query has a time that is over", {"ttl": "1", "asOf": "1970-01-01T00:00:00Z"}
    for name, token in {
        "its page": sk,
        "its id": f"{kind}#{victim}#{sk}",
        "its key": f'{{"pk":"{kind}#{victim}","sk":"{sk}"}}',
        "a list": f'["{kind}#{victim}","{sk}"]',
        "low": "\u0001",
        "high": "\U0010fffd",
    }.items():
        yield f"starts from {name}", {"startFromSk": token, "startFromVersion": "1", "limit": "100"}
        yield f"prefix {name}", {"skPrefix": token, "keyword": token}
        yield f"resumes {name}", {"resumeFrom": token, "includeDeleted": "true"}


def _fields(kind: str, victim: str, own: str, sk: str) -> Iterator[tuple[str, dict[str, Any]]]:
    roles = [{"tenant": victim, "role": "system_admin"}]
    for name, pk in _keys(kind, victim, own):
        yield f"pk: {name}", {"pk": pk}
    yield "tenantCode", {"tenantCode": victim}
    yield "tenant_code", {"tenant_code": victim}
    yield "id", {"id": f"{kind}#{victim}#{sk}"}
    yield "key", {"key": {"pk": f"{kind}#{victim}", "sk": sk}}
    yield "forged role", {"roles": roles, "custom:roles": roles, "custom:tenant": victim}
    yield "forged context", {"invokeContext": {"claims": {"custom:tenant": victim}}, "createdBy": "owner"}
    yield "prototype", {"__proto__": {"tenant": victim}, "__class__": victim}
    yield "type", {"type": f"{kind}#{victim}"}
    yield "sk with version", {"sk": f"{sk}@4"}
    yield "sk with the id", {"sk": f"{kind}#{victim}#{sk}"}
    for name, address in {
        "a bucket's object": f"s3://bucket/ddb/{victim}/{sk}.json",
        "its object": f"s3://bucket/ddb/local-app-{kind.lower()}-data/{kind}#{victim}/{sk}@3.json",
        "its object by dots": f"s3://bucket/ddb/x/../local-app-{kind.lower()}-data/{kind}%23{victim}/{sk}",
        "every object": "s3://bucket/ddb/",
    }.items():
        yield name, {"attributes": address}
        yield f"{name}, inside", {"attributes": {"secret": address, "attributes": address, "$ref": address}}
    for name, ttl in {"is over": 1, "is no time": -1, "never ends": 10**30, "is text": "1"}.items():
        yield f"a ttl that {name}", {"ttl": ttl}
    yield "keys of dots", {"sk": f"a/../{sk}", "code": f"../{kind}#{victim}/{sk}"}
    yield "a key with its query", {"sk": f"{sk}?tenant={victim}"}
    yield "lines in names", {"name": f"{victim}\r\nBcc: a@b.example\u2028x", "code": f"{victim}\n{sk}"}
    yield "grown", {"attributes": {"secret": "x" * 90_000}}
    yield "too large", {"attributes": {"secret": "x" * 200_000}}
    yield "resume token", {"resumeFrom": f'["{kind}#{victim}","{sk}"]', "pages": 100}
    yield "its version", {"version": 3}
    yield "its next version", {"version": 4}


def attacks(request: Request, kind: str, victim: str, own: str, sk: str) -> Iterator[tuple[str, Request]]:
    """``request``, a harmless one of a user of ``own``, turned against the item ``sk`` of ``victim``."""
    yield "as it is", request
    for name, headers in _headers(victim, sk):
        yield name, request.plus(headers=headers)
    for name, query in _query(kind, victim, sk):
        yield name, request.plus(query=query)
    for parameter in {"sk", "id"} & set(request.values):
        for name, text in _in_path(kind, victim, sk):
            yield f"path: {name}", request.plus(**{parameter: text})
    if request.bodies:
        for name, fields in _fields(kind, victim, own, sk):
            yield f"body: {name}", request.with_fields(**fields)
            if name.startswith("pk: ") or name == "tenantCode":
                yield (
                    f"body and header: {name}",
                    request.with_fields(**fields).plus(headers={"x-tenant-code": victim}),
                )
