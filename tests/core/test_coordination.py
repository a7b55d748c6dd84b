"""What annotations ask for, and how each mistake is refused."""

from __future__ import annotations

import itertools
import re

import pytest

from konductor_core.annotations import ACQUIRES, ARRIVES, PREFIX, WAITS, Annotation
from konductor_core.coordination import Acquire, Arrive, Coordination, Wait
from konductor_core.errors import InvalidInput
from konductor_core.identity import Kind
from konductor_core.models import SPECS
from konductor_core.quantities import Amount, milli


def read(**annotations: str) -> Coordination:
    """Read annotations whose names are written with underscores and without their prefix."""
    return Coordination.from_annotations({PREFIX + name.replace("_", "-"): text for name, text in annotations.items()})


def test_a_pod_without_annotations_asks_for_nothing() -> None:
    for others in (None, {}, {"example.org/wait-barrier": "x", "konductor.io.example/y": "z"}):
        assert Coordination.from_annotations(others) == Coordination()
        assert not Coordination.from_annotations(others).asks


def test_waits_keep_their_order_and_the_timeout_of_their_own_goes_first() -> None:
    wanted = read(wait_barrier=" a , b:10m,c.d:0", wait_timeout="2h")
    assert wanted.waits == (
        Wait(Kind.BARRIER, "a", 7_200_000),
        Wait(Kind.BARRIER, "b", 600_000),
        Wait(Kind.BARRIER, "c.d", 0),
    )
    assert wanted.wait_mode == "init"
    assert read(wait_barrier="a").waits == (Wait(Kind.BARRIER, "a", None),)


def test_permits_of_their_own_go_before_permits_for_all() -> None:
    wanted = read(
        acquire_semaphore="a,b=2", permits="3", ttl="15s", acquire_timeout="0", priority="-1000", on_lost="delete-pod"
    )
    assert wanted.acquires == (Acquire(Kind.SEMAPHORE, "a", 3), Acquire(Kind.SEMAPHORE, "b", 2))
    assert (wanted.ttl_ms, wanted.acquire_timeout_ms, wanted.priority) == (15_000, 0, -1000)
    assert wanted.on_lost == "delete-pod"
    assert wanted.keeper


def test_arrivals_happen_on_success_unless_told_otherwise() -> None:
    assert read(arrive_barrier="a,b").arrives == (Arrive(Kind.BARRIER, "a"), Arrive(Kind.BARRIER, "b"))
    assert read(arrive_barrier="a").arrive_on == "success"
    assert read(arrive_barrier="a", arrive_on="completion").arrive_on == "completion"
    assert not read(arrive_barrier="a").keeper


def test_a_pod_may_arrive_and_wait_at_one_barrier_as_it_starts() -> None:
    assert read(wait_barrier="a", arrive_barrier="a", arrive_on="start").asks


def test_overrides_are_read_as_they_stand() -> None:
    wanted = read(
        api="true",
        holder="x-$(POD_NAME)",
        init_first="istio-init, istio-proxy",
        image="r.example/a:1",
        image_pull_policy="Always",
        resources="cpu=10m:0.5, memory=64Mi",
    )
    assert wanted.api
    assert wanted.keeper
    assert wanted.holder == "x-$(POD_NAME)"
    assert wanted.init_first == ("istio-init", "istio-proxy")
    assert (wanted.image, wanted.image_pull_policy) == ("r.example/a:1", "Always")
    assert wanted.resources == (Amount("cpu", "10m", "0.5"), Amount("memory", "64Mi", "64Mi"))


def test_who_opts_out_is_left_alone_whatever_else_is_said() -> None:
    assert read(inject="false", wait_bariers="x", ttl="soon") == Coordination(inject=False)
    assert read(inject="true") == Coordination()


def test_the_status_that_the_webhook_writes_asks_for_nothing() -> None:
    assert read(status="whatever it says") == Coordination()


BAD = [
    ({"wait_bariers": "a"}, "'konductor.io/wait-bariers' is unknown: did you mean konductor.io/wait-barrier?"),
    ({"zzz": "a"}, "'konductor.io/zzz' is unknown: leave it out, or see the reference of annotations"),
    ({"wait_barrier": ""}, "konductor.io/wait-barrier '' has an empty entry: put one comma between names"),
    ({"wait_barrier": "a,,b"}, "konductor.io/wait-barrier 'a,,b' has an empty entry: put one comma between names"),
    ({"wait_barrier": "a,a"}, "konductor.io/wait-barrier names 'a' twice: name it once"),
    ({"wait_barrier": "a:1m,a:2m"}, "konductor.io/wait-barrier names 'a' twice: name it once"),
    ({"wait_barrier": "A"}, "konductor.io/wait-barrier: name 'A' is not valid: use lower-case letters"),
    ({"wait_barrier": "a=2"}, "konductor.io/wait-barrier: name 'a=2' is not valid: use lower-case letters"),
    ({"wait_barrier": "a:5"}, "konductor.io/wait-barrier: timeout '5' has no unit: for seconds write 5s"),
    ({"wait_barrier": "a:"}, "konductor.io/wait-barrier: timeout '' is not a duration: write it like 30s"),
    ({"wait_barrier": ",".join(f"b{n}" for n in range(33))}, "wait-barrier has 33 entries: use at most 32"),
    ({"wait_barrier": "a", "wait_timeout": "soon"}, "konductor.io/wait-timeout 'soon' is not a duration"),
    ({"wait_barrier": "a", "wait_timeout": "-1s"}, "konductor.io/wait-timeout '-1s' is negative"),
    ({"wait_barrier": "a", "wait_mode": "Init"}, "konductor.io/wait-mode 'Init' is unknown: use init or schedule"),
    ({"acquire_semaphore": "a=0"}, "konductor.io/acquire-semaphore: permits 0 is out of range: use a number from 1"),
    ({"acquire_semaphore": "a=x"}, "konductor.io/acquire-semaphore: permits 'x' is not a whole number"),
    ({"acquire_semaphore": "a=٣"}, "konductor.io/acquire-semaphore: permits '٣' is not a whole number"),
    ({"acquire_semaphore": "a", "permits": "0"}, "konductor.io/permits 0 is out of range"),
    ({"acquire_semaphore": "a", "ttl": "14s"}, "konductor.io/ttl '14s' is too short: use at least 15s"),
    ({"acquire_semaphore": "a", "priority": "1001"}, "konductor.io/priority 1001 is out of range"),
    ({"acquire_semaphore": "a", "on_lost": "panic"}, "konductor.io/on-lost 'panic' is unknown: use continue or signal"),
    ({"arrive_barrier": "a", "arrive_on": "end"}, "konductor.io/arrive-on 'end' is unknown: use success or completion"),
    ({"api": "yes"}, "konductor.io/api 'yes' is unknown: use false or true"),
    ({"inject": "no"}, "konductor.io/inject 'no' is unknown: use true or false"),
    ({"api": "true", "holder": ""}, "konductor.io/holder is empty: give it a name"),
    (
        {"api": "true", "holder": "a$(HOME)"},
        "konductor.io/holder 'a$(HOME)' has a $ that stands for nothing: use $(POD",
    ),
    ({"api": "true", "image": "a b"}, "konductor.io/image 'a b' is not valid: write it without spaces"),
    ({"api": "true", "image_pull_policy": "Sometimes"}, "image-pull-policy 'Sometimes' is unknown: use Always or"),
    ({"api": "true", "resources": "gpu=1"}, "konductor.io/resources 'gpu=1' is not valid: write cpu=, memory="),
    ({"api": "true", "resources": "cpu=1:500m"}, "konductor.io/resources: cpu '1:500m' asks for more than its limit"),
    ({"api": "true", "resources": "cpu=1,cpu=2"}, "konductor.io/resources names 'cpu' twice: name it once"),
    ({"api": "true", "resources": "cpu=lots"}, "konductor.io/resources: cpu 'lots' is not a quantity: write it like"),
    (
        {"wait_barrier": "a", "arrive_barrier": "b,a"},
        "arrive-barrier 'a' names what konductor.io/wait-barrier waits for",
    ),
    (
        {"wait_barrier": "a", "arrive_barrier": "a", "arrive_on": "start", "wait_mode": "schedule"},
        "an unscheduled pod cannot arrive: leave out konductor.io/wait-mode: schedule",
    ),
]


@pytest.mark.parametrize("annotations,sentence", BAD)
def test_a_mistake_is_refused_with_annotation_value_and_remedy(annotations: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read(**annotations)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("annotation ")
    assert "\n" not in str(refusal.value)


WAIT, SEMAPHORE = {str(Annotation.WAIT_BARRIER): "x"}, {str(Annotation.ACQUIRE_SEMAPHORE): "x"}
NEEDED = {
    "wait-timeout": WAIT,
    "wait-mode": WAIT,
    "arrive-on": {str(Annotation.ARRIVE_BARRIER): "x"},
    **dict.fromkeys(("permits", "ttl", "acquire-timeout", "priority", "on-lost", "holder"), SEMAPHORE),
}
"""What the setting of each name needs beside it."""

_HOLDING = " or konductor.io/".join(each.word for each in ACQUIRES.values())


@pytest.mark.parametrize(
    "name,value,by",
    [
        ("wait-timeout", "1m", "wait-barrier"),
        ("wait-mode", "schedule", "wait-barrier"),
        ("permits", "2", "acquire-semaphore"),
        ("ttl", "1m", _HOLDING),
        ("acquire-timeout", "1m", _HOLDING),
        ("priority", "1", _HOLDING),
        ("on-lost", "signal", _HOLDING),
        ("arrive-on", "start", "arrive-barrier"),
        ("holder", "me", "wait-barrier"),
    ],
)
def test_a_setting_that_nothing_heeds_is_refused(name: str, value: str, by: str) -> None:
    with pytest.raises(
        InvalidInput,
        match=f"{name} '{value}' has no effect alone: add (.* or )?konductor.io/{by}( or .*)?, or leave it out",
    ):
        Coordination.from_annotations({PREFIX + name: value})


def test_a_value_that_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"konductor\.io/api True is not text: put it in quotes"):
        Coordination.from_annotations({Annotation.API: True})  # type: ignore[dict-item]  # as YAML files have it


def test_every_kind_can_be_waited_for_or_acquired() -> None:
    assert {*WAITS, *ACQUIRES, *ARRIVES} == set(SPECS) == set(Kind)


def test_each_annotation_is_described_by_an_example_that_is_accepted() -> None:
    for each in Annotation:
        assert each.form
        assert each.meaning.endswith(".")
        Coordination.from_annotations({**NEEDED.get(each.word, {}), str(each): each.example})


@pytest.mark.parametrize(
    "text,expected", [("1", 1000), ("0.5", 500), ("500m", 500), ("1Ki", 1_024_000), ("0.0001", 1), ("2G", 2 * 10**12)]
)
def test_quantities_compare_in_thousandths(text: str, expected: int) -> None:
    assert milli(text, "cpu") == expected


def test_quantities_that_kubernetes_has_no_use_for_are_refused() -> None:
    for text, problem in itertools.product(("", "-1", "1e3", "1 Gi", "Mi", "1.", "٣"), ("is not a quantity",)):
        with pytest.raises(InvalidInput, match=problem):
            milli(text, "cpu")
    with pytest.raises(InvalidInput, match="is zero"):
        milli("0", "cpu")


@pytest.mark.parametrize(
    "name,value,text",
    [
        ("acquire-mutex", "m=2", "acquire-mutex: m has one permit only, not 2: leave the number out"),
        ("acquire-lease", "l=many", "'many' is not a number of permits"),
        ("acquire-rwmutex", "r=3", "'3' is neither read nor write: use one of them"),
        ("acquire-rwmutex", "r=READ", "'READ' is neither read nor write"),
    ],
)
def test_an_amount_that_a_kind_never_grants_is_refused(name: str, value: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(text)):
        Coordination.from_annotations({PREFIX + name: value})


def test_permits_are_heeded_by_semaphores_alone() -> None:
    with pytest.raises(InvalidInput, match=re.escape("no effect alone: add konductor.io/acquire-semaphore")):
        Coordination.from_annotations({PREFIX + "acquire-mutex": "m", PREFIX + "permits": "2"})
