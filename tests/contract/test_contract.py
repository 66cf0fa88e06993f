"""What every proto of FLUX keeps to, beyond what a linter knows."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
from buf.validate.validate_pb2 import StringRules
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet, MethodOptions
from google.rpc import code_pb2

from shared import errors
from tests.contract.descriptors import (
    BUF_CONFIG,
    DESCRIPTOR_SET,
    HTTP,
    INTERNAL_PACKAGES,
    ONEOF_RULES,
    OPERATORS_PACKAGE,
    PUBLIC_PACKAGES,
    ROOT,
    RULES,
    Field,
    Method,
    buf,
    descriptor_set,
    error_reasons,
    is_map,
    messages,
    methods,
    our_files,
    reachable,
)

PREFIX = "ERROR_REASON_"

every_method = pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)


def test_buf_finds_nothing_to_complain_about() -> None:
    run = buf("lint", DESCRIPTOR_SET, "--config", BUF_CONFIG, "--path", "flux")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_generated_code_is_that_of_the_protos(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    (tmp_path / "shared").mkdir()
    runpy.run_path(str(ROOT / "shared" / "codegen" / "generate.py"))["generate"](tmp_path)
    fresh = tmp_path / "shared" / "gen"
    again = FileDescriptorSet.FromString((fresh / DESCRIPTOR_SET.name).read_bytes())
    assert [file.name for file in again.file] == [file.name for file in descriptor_set().file]
    assert [a.name for a, b in zip(again.file, descriptor_set().file, strict=True) if a != b] == []
    for path in sorted(fresh.rglob("*.py*")):
        assert (DESCRIPTOR_SET.parent / path.relative_to(fresh)).read_bytes() == path.read_bytes(), path.name


def test_the_descriptor_set_can_tell_error_details() -> None:
    for name in (".google.rpc.Status", ".google.rpc.ErrorInfo", ".google.rpc.BadRequest", ".google.protobuf.Any"):
        assert name in messages()


def test_python_packages_are_proto_packages() -> None:
    for file in our_files():
        assert Path(file.name).parent.as_posix() == file.package.replace(".", "/")


# Errors.


@every_method
def test_every_method_ends_its_comment_with_its_errors(method: Method) -> None:
    reasons = {value.name.removeprefix(PREFIX) for value in error_reasons()[0].value}
    *_, paragraph = re.split(r"(?m)^ ?(?=Errors: )", method.comment)
    assert paragraph.startswith("Errors: ")
    assert paragraph.endswith(".")
    listed = " ".join(paragraph.split()).removeprefix("Errors: ").removesuffix(".")
    if listed == "none beyond those of every call":
        return
    names = listed.split(", ")
    assert len(names) == len(set(names))
    assert set(names) <= reasons - {"UNSPECIFIED"}


def test_every_reason_says_which_code_comes_with_it() -> None:
    reasons, comments = error_reasons()
    codes = set(code_pb2.Code.keys()) - {"OK", "UNKNOWN"}
    wrong = [
        value.name for value in reasons.value if value.number and comments[value.name].partition(".")[0] not in codes
    ]
    assert wrong == []


def test_every_error_that_python_raises_is_a_reason_with_the_code_it_is_documented_with() -> None:
    _, comments = error_reasons()
    for error in raisable(errors.FluxError):
        comment = comments[PREFIX + error.reason]
        assert comment.partition(".")[0] == error.code, error.__name__


def raisable(base: type[errors.FluxError]) -> set[type[errors.FluxError]]:
    """Every kind of error that the packages define."""
    import conditioning_svc.app
    import debt_svc.app
    import gateway.app
    import readiness_svc.app

    assert all((conditioning_svc.app, debt_svc.app, gateway.app, readiness_svc.app))
    return {below for kind in base.__subclasses__() for below in {kind} | raisable(kind)}


# Requests.

# Numbers, texts and enums are what a rule can bound; a bool has two values, and messages are looked into or well known.
SCALARS = {
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_DOUBLE,
    FieldDescriptorProto.TYPE_ENUM,
    FieldDescriptorProto.TYPE_FIXED32,
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_SFIXED32,
    FieldDescriptorProto.TYPE_SFIXED64,
    FieldDescriptorProto.TYPE_SINT32,
    FieldDescriptorProto.TYPE_SINT64,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_UINT32,
    FieldDescriptorProto.TYPE_UINT64,
}
LARGE = {
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_SFIXED64,
    FieldDescriptorProto.TYPE_SINT64,
    FieldDescriptorProto.TYPE_UINT64,
}
# Fields without bounds, each with the reason why it does without.
UNBOUNDED: dict[str, str] = {}


def request_fields() -> list[Field]:
    """Every field that a client or another service can send."""
    names = {name for method in methods() for name in reachable(method.method.input_type)}
    return [field for name in sorted(names) for field in messages()[name][1]]


def needs_a_rule(field: Field) -> bool:
    repeated = field.field.label == FieldDescriptorProto.LABEL_REPEATED
    return repeated or field.field.type in SCALARS


def test_every_field_that_can_be_sent_has_bounds() -> None:
    without = {
        field.name
        for field in request_fields()
        if needs_a_rule(field)
        and not field.field.options.HasExtension(RULES)
        and not field.comment.startswith("Output only.")
    }
    assert without == set(UNBOUNDED)


def is_bounded(text: StringRules) -> bool:
    """Whether a text has a greatest length: said, or given by what it may be."""
    words: list[str] = list(getattr(text, "in"))
    of_fixed_length = re.fullmatch(r"\^[^*+|]*(\{\d+\})[^*+|]*\$", text.pattern) is not None
    return text.HasField("max_len") or text.HasField("max_bytes") or text.uuid or bool(words) or of_fixed_length


def test_lists_and_maps_are_bounded_in_length_and_so_are_texts() -> None:
    unbounded = []
    for field in request_fields():
        rules = field.field.options.Extensions[RULES]
        if is_map(field.field):
            bounded = rules.map.HasField("max_pairs")
        elif field.field.label == FieldDescriptorProto.LABEL_REPEATED:
            bounded = rules.repeated.HasField("max_items")
        elif field.field.type == FieldDescriptorProto.TYPE_STRING and not field.comment.startswith("Output only."):
            bounded = is_bounded(rules.string)
        else:
            continue
        if not bounded:
            unbounded.append(field.name)
    assert unbounded == []


def test_enums_and_choices_that_are_sent_are_never_unspecified() -> None:
    for field in request_fields():
        if field.field.type == FieldDescriptorProto.TYPE_ENUM:
            own = field.field.options.Extensions[RULES]
            is_list = field.field.label == FieldDescriptorProto.LABEL_REPEATED
            rules = own.repeated.items.enum if is_list else own.enum
            assert rules.defined_only, field.name
            assert list(rules.not_in) == [0], field.name
    for name in {name for method in methods() for name in reachable(method.method.input_type)}:
        message, fields = messages()[name]
        optional = {field.field.oneof_index for field in fields if field.field.proto3_optional}
        for index, oneof in enumerate(message.oneof_decl):
            assert index in optional or oneof.options.Extensions[ONEOF_RULES].required, f"{name}.{oneof.name}"


def test_times_that_are_sent_are_required_or_say_what_their_absence_means() -> None:
    times = [field for field in request_fields() if field.field.type_name == ".google.protobuf.Timestamp"]
    assert times
    for field in times:
        assert field.field.options.Extensions[RULES].required == ("Absent: " not in field.comment), field.name


def test_where_zero_is_an_answer_presence_tells_it_from_silence() -> None:
    for field in request_fields():
        rules = field.field.options.Extensions[RULES]
        if rules.required and field.field.type == FieldDescriptorProto.TYPE_INT32:
            assert field.field.proto3_optional, field.name


def test_public_requests_name_no_athlete() -> None:
    names = {
        name
        for method in methods()
        if method.package in PUBLIC_PACKAGES
        for name in reachable(method.method.input_type)
    }
    assert [field.name for name in names for field in messages()[name][1] if "athlete" in field.field.name] == []


# Shapes.


def test_public_numbers_fit_into_json() -> None:
    names = {
        name
        for method in methods()
        if method.package in PUBLIC_PACKAGES
        for kind in (method.method.input_type, method.method.output_type)
        for name in reachable(kind)
    }
    fields = [field for name in names for field in messages()[name][1]]
    entries = [each for field in fields if is_map(field.field) for each in messages()[field.field.type_name][1]]
    assert fields
    assert [field.name for field in (*fields, *entries) if field.field.type in LARGE] == []


def test_no_two_methods_share_a_message() -> None:
    used = [kind for method in methods() for kind in (method.method.input_type, method.method.output_type)]
    assert len(used) == len(set(used))


@every_method
def test_every_method_says_whether_it_may_be_repeated(method: Method) -> None:
    level = method.method.options.idempotency_level
    once = {"flux.app.v1.AppService.StartSession"}  # the app sends no id, so each start is a new session
    assert (level == MethodOptions.IDEMPOTENCY_UNKNOWN) == (method.name in once)


@pytest.mark.parametrize(
    "method", [m for m in methods() if m.package in INTERNAL_PACKAGES], ids=lambda method: method.name
)
def test_internal_methods_take_and_answer_batches(method: Method) -> None:
    assert method.method.name.startswith("Batch")
    asked, *how = messages()[method.method.input_type][1]
    assert {field.field.name for field in how} <= {"content_hash", "time", "times", "athlete_bounds"}
    assert asked.field.label == FieldDescriptorProto.LABEL_REPEATED
    assert asked.field.options.Extensions[RULES].repeated.min_items == 1
    if method.method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        answered, ruleset = messages()[method.method.output_type][1]
        assert answered.field.label == FieldDescriptorProto.LABEL_REPEATED
        assert "in the order of the request" in answered.comment
        assert ruleset.field.type_name == ".flux.common.v1.Ruleset"


def test_whoever_decides_by_rules_is_told_which() -> None:
    decides = [
        method
        for method in methods()
        if method.package in INTERNAL_PACKAGES
        and method.method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]
    assert decides
    for method in decides:
        names = {field.field.name for field in messages()[method.method.input_type][1]}
        assert "content_hash" in names, method.name


def test_rules_are_no_part_of_the_public_api() -> None:
    assert {method.name for method in methods() if method.package == OPERATORS_PACKAGE}
    assert OPERATORS_PACKAGE not in PUBLIC_PACKAGES
    names = {name for m in methods() if m.package in PUBLIC_PACKAGES for name in reachable(m.method.input_type)}
    assert [name for name in names if name.startswith(f".{OPERATORS_PACKAGE}.")] == []


# Routes.


def route(method: Method) -> tuple[str, str]:
    rule = method.method.options.Extensions[HTTP]
    verb = rule.WhichOneof("pattern")
    return verb.upper(), getattr(rule, verb)


@every_method
def test_public_methods_and_only_they_have_a_route(method: Method) -> None:
    assert method.method.options.HasExtension(HTTP) == (method.package in PUBLIC_PACKAGES)


def test_the_app_finds_its_seven_routes() -> None:
    assert {method.method.name: route(method) for method in methods() if method.package == "flux.app.v1"} == {
        "GetStatus": ("GET", "/"),
        "GetBootstrap": ("GET", "/bootstrap"),
        "GetUserState": ("GET", "/user/state"),
        "GenerateSession": ("POST", "/sessions/generate"),
        "StartSession": ("POST", "/sessions/start"),
        "LogSet": ("POST", "/sessions/{session_id}/sets"),
        "CompleteSession": ("POST", "/sessions/{session_id}/complete"),
    }


def test_the_public_api_is_versioned_in_its_paths() -> None:
    paths = [route(method) for method in methods() if method.package == "flux.session.v1"]
    assert all(path.startswith("/v1/") for _, path in paths)
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("method", [m for m in methods() if m.package in PUBLIC_PACKAGES], ids=lambda m: m.name)
def test_what_only_reads_is_a_get_and_what_has_a_body_takes_all_of_it(method: Method) -> None:
    verb, path = route(method)
    reads = method.method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    plans = {"PreviewSession", "ProjectSessions", "GenerateSession"}  # they read, but the check-in is a body
    assert (verb == "GET") == (reads and method.method.name not in plans)
    assert method.method.options.Extensions[HTTP].body == ("" if verb in {"GET", "DELETE"} else "*")
    fields = {field.field.name for field in messages()[method.method.input_type][1]}
    assert set(re.findall(r"{(\w+)}", path)) <= fields


# The words of the app's answers that it reads as null must be able to be null.

NULLABLE = {
    "PatternState": ["last_trained_datetime", "days_since"],
    "PlanExercise": [
        "is_conditioning",
        "description",
        "protocol",
        "rounds",
        "work_seconds",
        "rest_seconds",
        "is_benchmark",
        "target_intensity",
    ],
    "LogSetRequest": ["weight", "reps", "seconds"],
}


@pytest.mark.parametrize("message", NULLABLE)
def test_what_the_app_knows_as_null_can_be_null(message: str) -> None:
    fields = {field.field.name: field.field.type_name for field in messages()[f".flux.app.v1.{message}"][1]}
    assert [name for name in NULLABLE[message] if fields[name] != ".google.protobuf.Value"] == []


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("GenerateSessionRequest", ["last_trained", "conditioning_levels", "benchmarks"]),
        ("CompleteSessionRequest", ["exercise_notes"]),
    ],
)
def test_maps_that_the_app_sends_may_hold_null(message: str, names: list[str]) -> None:
    for field in messages()[f".flux.app.v1.{message}"][1]:
        if field.field.name in names:
            names.remove(field.field.name)
            _, value = messages()[field.field.type_name][1]
            assert value.field.type_name == ".google.protobuf.Value"
    assert names == []
