"""Who may subscribe to which channel: the code that AppSync runs for each subscription."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runtime import contract

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["subscribe_handler"]

# AppSync's JavaScript has no regular expressions, no try, no functions as arguments and no
# Array.isArray. So tenants are compared and not rewritten: AppSync has already refused a channel
# with a segment of other than letters, digits and dashes, so a claim with anything else in it
# equals no segment. Left to be refused are the wildcard, the segment that stands for no tenant,
# and a claim with the kelvin sign: its lower case equals a k, but its upper case does not equal K.
#
# What a claim must look like is what `runtime.identity.claims` says; one table of cases runs against
# both (tests/security/test_claims.py). Malformed ones are refused in one's own tenant, too.
_CODE = """\
import { util } from '@aws-appsync/utils'

function isText(value) {
  return value === undefined || value === null || typeof value === 'string'
}

function isList(value) {
  return typeof value === 'object' && value !== null && JSON.stringify(value).startsWith('[')
}

function isRole(entry) {
  if (typeof entry !== 'object' || entry === null || isList(entry)) {
    return false
  }
  for (const value of Object.values(entry)) {
    if (typeof value === 'object' && value !== null) {
      return false
    }
  }
  return isText(entry.tenant) && isText(entry.role)
}

export function onSubscribe(ctx) {
  const crossTenantRoles = %(roles)s
  const identity = ctx.identity ?? {}
  const claims = identity.claims ?? {}
  const tenantClaim = claims[%(tenant_claim)s]
  const rolesClaim = claims[%(roles_claim)s]
  if (claims[%(use_claim)s] === %(access)s) {
    util.unauthorized()
  }
  if (!isText(tenantClaim) || !isText(rolesClaim) || !isText(claims[%(user_claim)s])) {
    util.unauthorized()
  }
  const entries = JSON.parse(rolesClaim || '[]')
  if (!isList(entries)) {
    util.unauthorized()
  }
  const wanted = ctx.info.channel.segments[1] ?? ''
  const isOneTenant = wanted !== '' && wanted !== '*' && wanted !== %(no_tenant)s
  const own = tenantClaim ?? ''
  const upper = wanted.toUpperCase()
  let mayListen = isOneTenant && wanted === own.toLowerCase() && upper === own.toUpperCase()
  for (const entry of entries) {
    if (!isRole(entry)) {
      util.unauthorized()
    }
    const where = entry.tenant ?? ''
    const isSame = wanted === where.toLowerCase() && upper === where.toUpperCase()
    const isThere = where === '' || (isOneTenant && isSame)
    if (isThere && crossTenantRoles.indexOf(entry.role) >= 0) {
      mayListen = true
    }
  }
  if (!mayListen) {
    util.unauthorized()
  }
  return null
}
"""


def subscribe_handler(
    cross_tenant_roles: Iterable[str],
    *,
    tenant_claim: str = contract.Claim.TENANT,
    roles_claim: str = contract.Claim.ROLES,
    user_claim: str = contract.Claim.USER,
) -> str:
    """Give the handler that lets users subscribe to channels of their own tenant only.

    Args:
        cross_tenant_roles: Roles that let users subscribe in the tenant that they have one
            for, or in all tenants where the role names none.
        tenant_claim: Name of the claim with the user's tenant.
        roles_claim: Name of the claim with the user's roles.
        user_claim: Name of the claim that says who the user is.

    """
    return _CODE % {
        "roles": json.dumps(list(cross_tenant_roles)),
        "no_tenant": json.dumps(contract.NO_TENANT_SEGMENT),
        "tenant_claim": json.dumps(tenant_claim),
        "roles_claim": json.dumps(roles_claim),
        "user_claim": json.dumps(user_claim),
        "use_claim": json.dumps(contract.Claim.USE),
        "access": json.dumps(contract.Claim.USE_ACCESS),
    }
