"""Schemathesis on the public routes: no 5xx, and nothing that the OpenAPI document does not say.

Requests are made up from the document, right and wrong ones. In half of those that name a model the name is one
that exists, or nothing behind the look-up would ever be reached; the models that fail on purpose are left out.

Checks that are excluded, and why:

- `positive_data_acceptance`: a schema cannot say that a model, a conversation or a tool call must exist, or that a
  message of an agent has at most 2,000 characters.
- `negative_data_rejection`: members that Parapet does not read belong to the provider and pass through unread, so
  what is wrong with them is the provider's to refuse.
"""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()

EXCLUDED = ("positive_data_acceptance", "negative_data_rejection")
MODELS = ("support", "clerk", "simulated/support", "simulated/tools", "simulated/reasoning", "simulated/refusal")
# The same document as the server's: `make check` compares the two.
DOCUMENT = Path(__file__).parents[2] / "docs/reference/openapi.json"

schema = schemathesis.openapi.from_path(DOCUMENT)


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_document_tells_the_truth(case, server):
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        chosen = sum(body["model"].encode(errors="replace")) % (2 * len(MODELS))
        if chosen < len(MODELS):
            body["model"] = MODELS[chosen]
    if "agent" in (case.path_parameters or {}):
        case.path_parameters["agent"] = "clerk" if len(case.path_parameters["agent"]) % 2 else "support"
    checks = [check for check in CHECKS.get_all() if check.__name__ not in EXCLUDED]
    case.call_and_validate(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, checks=checks)
