# SPDX-License-Identifier: GPL-3.0-or-later
"""openapi.yaml is valid, is what the service serves, and tells the truth."""

import base64

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from description import Description, strict_json
from examples import examples, is_json, is_text

# What no test can bring about in the time that tests have.
NOT_SEEN = {500}
EXAMPLES = examples(Description())
# All but the one whose body makes no difference.
POSTS = {path for path, method, _ in Description().operations() if method == "post"} - {
    "/v2/repository/index"}


def test_document_is_valid(description):
    OpenAPIV31SpecValidator(description.document).validate()


def test_schemas_are_valid(description):
    for schema in description.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operations_have_names_and_answers(description):
    names = [operation["operationId"] for _, _, operation in description.operations()]
    assert len(set(names)) == len(names)
    for path, _, operation in description.operations():
        assert operation["summary"].endswith("."), path
        problems = {status for status in operation["responses"] if status != "200"}
        assert problems >= {"400", "408", "413", "417", "431", "501"}, path


def test_served_document_is_the_repositorys(service, description):
    reply = service.get("/openapi.yaml")
    assert reply.status == 200
    assert reply.fields["content-type"] == "application/yaml"
    assert reply.body == description.text


def test_document_that_has_not_changed_is_not_sent_again(service):
    tag = service.get("/openapi.yaml").fields["etag"]
    for given in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        reply = service.get("/openapi.yaml", **{"If-None-Match": given})
        assert reply.status == 304 and reply.body == b"" and reply.fields["etag"] == tag
    assert service.get("/openapi.yaml", **{"If-None-Match": '"x"'}).status == 200


def test_every_post_has_examples_of_success_and_refusal():
    for path in POSTS:
        statuses = {example.status for example in EXAMPLES if example.path == path}
        assert 200 in statuses and 422 in statuses


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_example_is_an_exchange(service, example):
    reply = example.send(service)
    assert reply.status == example.status, reply.body
    assert reply.fields["content-type"].split(";")[0] == example.media_type
    if is_json(example.media_type):
        assert_same(strict_json(reply.body), example.reply)
    elif is_text(example.media_type):
        assert reply.body.decode() == example.reply
    else:
        assert reply.body == base64.b64decode(example.reply)
    for name, value in example.reply_headers.items():
        assert_same(strict_json(reply.fields[name.lower()]), strict_json(value))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_example_fits_its_schema(description, example):
    """A request that is refused may break its schema; the reply never does."""
    template = description.template(example.path)
    base = f"/paths/{template.replace('/', '~1')}/{example.method}"
    if is_json(example.media_type):
        place = example.media_type.replace("/", "~1")
        response, pointer = description.resolve(
            {"$ref": f"#{base}/responses/{example.status}"}, "")
        assert example.key in response["content"][example.media_type]["examples"]
        description.validate(example.reply, f"{pointer}/content/{place}/schema")


def assert_same(actual, expected, place=""):
    """Equality, of floats to 1e-12, and of members in their order."""
    assert type(actual) is type(expected), f"{place}: {actual!r}, not {expected!r}"
    if isinstance(expected, dict):
        assert list(actual) == list(expected), place
        for name in expected:
            assert_same(actual[name], expected[name], f"{place}/{name}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), place
        for index, pair in enumerate(zip(actual, expected)):
            assert_same(*pair, f"{place}/{index}")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=1e-12, abs=0), place
    else:
        assert actual == expected, place


@pytest.mark.looks_back
def test_every_described_status_was_seen(request, description):
    """What is described and never happens is as wrong as the reverse."""
    selected = {item.path.name for item in request.session.items}
    files = {file.name for file in request.path.parent.glob("test_*.py")}
    if selected < files or request.config.option.keyword:
        pytest.skip("only some of the tests have run")
    described = {
        (description.template(path), method, int(status))
        for path, method, operation in description.operations()
        for status in operation["responses"]}
    unseen = {entry for entry in described - description.seen if entry[2] not in NOT_SEEN}
    assert not unseen, sorted(unseen)
