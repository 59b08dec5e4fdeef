"""Who may subscribe to which channel: the code that AppSync runs for each subscription."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["subscribe_handler"]

# AppSync's JavaScript has no regular expressions, no try and no functions as arguments. So
# tenants are compared and not rewritten: AppSync has already refused a channel with a
# segment of other than letters, digits and dashes, so a claim with anything else in it
# equals no segment. Left to be refused are the wildcard, the segment that stands for no tenant,
# and a claim with the kelvin sign: its lower case equals a k, but its upper case does not equal K.
_CODE = """\
import { util } from '@aws-appsync/utils'

export function onSubscribe(ctx) {
  const crossTenantRoles = %(roles)s
  const identity = ctx.identity ?? {}
  const claims = identity.claims ?? {}
  const wanted = ctx.info.channel.segments[1] ?? ''
  const isOneTenant = wanted !== '' && wanted !== '*' && wanted !== %(no_tenant)s
  const own = `${claims['custom:tenant'] ?? ''}`
  const upper = wanted.toUpperCase()
  if (isOneTenant && wanted === own.toLowerCase() && upper === own.toUpperCase()) {
    return null
  }
  let mayCross = false
  for (const entry of JSON.parse(claims['custom:roles'] || '[]')) {
    const where = `${entry.tenant ?? ''}`
    const isSame = wanted === where.toLowerCase() && upper === where.toUpperCase()
    const isThere = where === '' || (isOneTenant && isSame)
    if (isThere && crossTenantRoles.indexOf(entry.role) >= 0) {
      mayCross = true
    }
  }
  if (!mayCross) {
    util.unauthorized()
  }
  return null
}
"""


def subscribe_handler(cross_tenant_roles: Iterable[str]) -> str:
    """Give the handler that lets users subscribe to channels of their own tenant only.

    Args:
        cross_tenant_roles: Roles that let users subscribe in the tenant that they have one
            for, or in all tenants where the role names none.

    """
    return _CODE % {
        "roles": json.dumps(list(cross_tenant_roles)),
        "no_tenant": json.dumps(contract.NO_TENANT_SEGMENT),
    }
