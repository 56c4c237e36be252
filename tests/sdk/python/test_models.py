import pytest


@pytest.mark.parapet
def test_list_names_agents_models_and_listed_upstream_models(client):
    models = {model.id: model for model in client.models.list()}
    assert {"support", "clerk", "smart", "listed/gpt-listed"} <= models.keys()
    assert all(model.object == "model" and model.owned_by for model in models.values())


@pytest.mark.parapet
def test_list_does_not_invent_models_of_open_providers(client):
    assert not any(model.id.startswith("scripted/") for model in client.models.list())
