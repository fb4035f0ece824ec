"""What the table of routes promises of each."""

import pytest

from service.api.routes import ROUTES, policies
from service.web.policies import META, OPEN, READ, WRITE, Policy


@pytest.mark.parametrize("policy", [WRITE, META, OPEN])
def test_a_path_with_a_parameter_is_let_in_as_read_alone(policy: Policy) -> None:
    """Its policy is looked up by the path as it stands: any other one would never be found."""
    route = next(route for route in ROUTES if "{" in route.path)
    with pytest.raises(ValueError, match="as READ alone"):
        policies([*ROUTES, route._replace(policy=policy)])
    assert policies([route._replace(policy=READ)])


def test_each_route_has_its_policy() -> None:
    found = policies()
    assert all(found[route.method, route.path] is route.policy for route in ROUTES)
