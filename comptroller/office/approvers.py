"""Who answers an approval: a person of the list with their role, a key with its own, or whoever sits at the machine."""

from comptroller.core.settings import ROLES
from comptroller.office.approvals import Approver
from comptroller.office.keys import APPROVALS, ROLE
from comptroller.office.people import LOCAL, Register
from comptroller.office.who import Who


def approver_of(who: Who, people: Register) -> Approver:
    """Whoever asks at `/api`, as an approver."""
    if who.person == LOCAL:  # at a console nobody has to sign in to; nobody can be invited by this name
        return approver_named(LOCAL, who.tenant, people)
    if who.person:
        return _person(who.person, who.tenant, people)
    if who.key:
        roles = {scope[len(ROLE) :] for scope in who.scopes or () if scope.startswith(ROLE)}
        roles |= {who.name} - {"", *ROLES}  # a rule may name a key as it may name a person; a name gives no role
        return Approver(
            who.signature, frozenset(roles), who.key, frozenset((who.agent, who.user, who.name)), who.customer
        )
    return approver_named(LOCAL, who.tenant, people)


def approver_named(name: str, tenant: str, people: Register) -> Approver:
    """Whoever a command on this machine is given for. Where nobody is on the list of people, they may do all."""
    if people.entries:
        return _person(name, tenant, people)
    return Approver(name, any_role=True)


def _person(name: str, tenant: str, people: Register) -> Approver:
    entry = people.live(name, tenant)
    if entry is None:
        return Approver(name, may=False)
    person = entry.person
    return Approver(name, frozenset((person.role,)), customer=person.customer, may=APPROVALS in person.rights)
