"""Random pods: a refusal or a pod that the API server takes, and never a changed container of the user's."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from konductor_core.annotations import PREFIX, Annotation
from konductor_core.errors import InvalidInput
from tests.webhook.pods import DEFAULTS, container, init_names, problems
from webhook.admit import mutate, validate
from webhook.defaults import Defaults
from webhook.inject import inject
from webhook.review import Request


def lists(*names: str, suffix: str = "") -> st.SearchStrategy[str]:
    each = st.sampled_from(names).map(lambda name: name + suffix)
    return st.lists(each, min_size=1, max_size=3, unique=True).map(",".join)


DURATIONS = st.sampled_from(["15s", "2h", "1h30m"])
GROUPS: list[tuple[dict[str, st.SearchStrategy[str]], dict[str, st.SearchStrategy[str]]]] = [
    (
        {"wait-barrier": lists("a", "b.c", "x" * 253)},
        {"wait-timeout": DURATIONS, "wait-mode": st.sampled_from(["init", "schedule"])},
    ),
    (
        {"acquire-semaphore": lists("a", "b.c", suffix="=2")},
        {
            "ttl": DURATIONS,
            "acquire-timeout": DURATIONS,
            "on-lost": st.sampled_from(["continue", "signal", "delete-pod"]),
            "holder": st.sampled_from(["me", "$(POD_NAME)", "ü-$(NODE_NAME)"]),
        },
    ),
    (
        {"arrive-barrier": lists("a", "d", "e")},
        {"arrive-on": st.sampled_from(["success", "completion", "start"])},
    ),
    (
        {"api": st.sampled_from(["true", "false"])},
        {
            "init-first": st.sampled_from(["own-0", "own-0, own-1", "nobody"]),
            "resources": st.just("cpu=5m:1, memory=1Gi"),
        },
    ),
]
WORDS = st.one_of(st.sampled_from([each.word for each in Annotation]), st.text(max_size=8))
WILD = st.dictionaries(WORDS, st.text(max_size=12), min_size=1, max_size=2)


@st.composite
def asked(draw: st.DrawFn) -> dict[str, str]:
    """Draw annotations that mostly make sense together."""
    found: dict[str, str] = {}
    for required, optional in GROUPS:
        if draw(st.booleans()):
            found |= draw(st.fixed_dictionaries(required, optional=optional))
    if draw(st.integers(0, 9)) == 7:
        found |= draw(WILD)
    return {PREFIX + name: value for name, value in found.items()}


OWN = st.builds(
    lambda env, sidecar, user: {
        "env": [{"name": name, "value": "x"} for name in env],
        **({"restartPolicy": "Always"} if sidecar else {}),
        **({"securityContext": {"runAsUser": user}} if user is not None else {}),
    },
    st.lists(
        st.sampled_from(["A", "POD_NAME", "KONDUCTOR_REDIS_URL", "KONDUCTOR_ARRIVAL_ID"]), max_size=3, unique=True
    ),
    st.booleans(),
    st.sampled_from([None, 0, 1000]),
)


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    inits = [container(f"own-{n}", **each) for n, each in enumerate(draw(st.lists(OWN, max_size=3)))]
    apps = [container(f"app-{n}", **each) for n, each in enumerate(draw(st.lists(OWN, min_size=1, max_size=3)))]
    for app in apps:
        app.pop("restartPolicy", None)
    spec: dict[str, Any] = {
        "containers": apps,
        "restartPolicy": draw(st.sampled_from(["Always", "OnFailure", "Never"])),
    }
    spec |= {"initContainers": inits} if inits else {}
    spec |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "hostNetwork": st.booleans(),
                "hostPID": st.just(value=True),
                "activeDeadlineSeconds": st.integers(1, 10_000),
                "securityContext": st.just({"runAsUser": 1000}),
                "volumes": st.just([{"name": "data", "emptyDir": {}}]),
            },
        )
    )
    metadata: dict[str, Any] = {"name": "p", "annotations": draw(asked())}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def without(each: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in each.items() if key not in names}


def refused_or_injected(sent: dict[str, Any]) -> str | dict[str, Any]:
    try:
        return dict(inject(sent, DEFAULTS).pod)
    except InvalidInput as refusal:
        return str(refusal)


@given(pods())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_pod_is_refused_in_one_line_or_valid_and_the_users_containers_keep_all_they_had(sent: dict[str, Any]) -> None:
    found = refused_or_injected(sent)
    if isinstance(found, str):
        assert "\n" not in found
        return
    assert problems(found) == []
    assert inject(found, DEFAULTS).pod == found
    after = {each["name"]: each for each in (*found["spec"].get("initContainers", ()), *found["spec"]["containers"])}
    own = [each["name"] for each in sent["spec"].get("initContainers", ())]
    assert [name for name in init_names(found) if name in own] == own  # those of init-first are the first ones here
    for each in (*sent["spec"].get("initContainers", ()), *sent["spec"]["containers"]):
        kept = after[each["name"]]
        assert without(kept, "env", "volumeMounts") == without(each, "env", "volumeMounts")
        assert kept["env"][: len(each["env"])] == each["env"]
    kept_spec = without(
        found["spec"], "initContainers", "containers", "volumes", "schedulingGates", "shareProcessNamespace"
    )
    assert kept_spec == without(sent["spec"], "initContainers", "containers", "volumes")


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
KEYS = st.sampled_from(
    [
        *(
            "metadata",
            "spec",
            "annotations",
            "labels",
            "containers",
            "initContainers",
            "volumes",
            "volumeMounts",
            "env",
        ),
        *("name", "args", "command", "mountPath", "securityContext", "runAsUser", "os", "template", "jobTemplate"),
        *(
            "schedulingGates",
            "activeDeadlineSeconds",
            "permits",
            "ttl",
            "expected",
            "status",
            "emptyDir",
            "restartPolicy",
        ),
        *(str(each) for each in Annotation),
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=25,
)
KINDS = st.sampled_from(
    [("", "Pod"), ("batch", "Job"), ("batch", "CronJob"), ("apps", "Deployment"), ("konductor.io", "Semaphore")]
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.one_of(JSON, st.fixed_dictionaries({"annotations": st.dictionaries(KEYS, JSON, max_size=3)})),
        "spec": JSON,
        "status": JSON,
    },
)


@given(kind=KINDS, sent=OBJECTS, old=OBJECTS, operation=st.sampled_from(["CREATE", "UPDATE"]))
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_shape_of_an_object_there_is_a_verdict(
    kind: tuple[str, str], sent: dict[str, Any], old: dict[str, Any], operation: str
) -> None:
    request = Request("uid", kind, operation, "etl", "x", "", sent, old)
    for decide in (mutate, validate):
        verdict = decide(request, Defaults(image="i"))
        assert verdict.refusal is None or "\n" not in verdict.refusal
