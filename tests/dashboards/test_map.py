"""The site map: every page has an address, a view, and roles that exist."""

from pathlib import Path

import pytest

from comptroller.dashboards import map as sites
from comptroller.dashboards import views
from comptroller.office.people import ROLES

VIEWS = Path(views.__file__).parent


@pytest.mark.parametrize("page", sites.PAGES, ids=lambda page: page.key)
def test_every_page_on_the_map_has_a_view(page: sites.Page) -> None:
    assert (VIEWS / f"{page.key}.py").is_file()


def test_no_two_pages_share_a_name() -> None:
    assert len({page.key for page in sites.PAGES}) == len(sites.PAGES) == len({page.path for page in sites.PAGES})


def test_the_roles_of_the_map_are_roles_that_people_have() -> None:
    assert {role for page in sites.PAGES for role in page.roles} | {sites.ADMIN} == set(ROLES)


def test_an_admin_sees_every_page_and_a_stranger_none() -> None:
    assert sites.pages_of(sites.ADMIN) == sites.PAGES
    assert sites.pages_of("nobody") == ()


@pytest.mark.parametrize("role", [sites.COMPLIANCE, sites.FINANCE, sites.ENGINEER, sites.VIEWER])
def test_every_role_begins_at_the_overview_and_can_look_at_a_run(role: str) -> None:
    assert {"overview", "runs", "run"} <= {page.key for page in sites.pages_of(role)}


def test_finance_does_not_see_keys_and_engineers_do_not_see_invoices() -> None:
    assert not sites.may_see(sites.FINANCE, "access")
    assert not sites.may_see(sites.ENGINEER, "invoices")


def test_what_is_about_a_whole_tenant_is_not_for_who_is_there_for_one_customer() -> None:
    assert not sites.may_see(sites.COMPLIANCE, "audit", "bolt")
    assert {page.key for page in sites.pages_of(sites.VIEWER, "bolt")} == {"overview", "runs", "run"}


def test_a_page_that_does_not_exist_is_nobodys() -> None:
    assert not sites.may_see(sites.ADMIN, "nowhere")
