"""Bad input ends with one clear line, the right exit code, and nothing written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.running import Cli

LONG = "x" * 10_000

BARRIER = ("barrier", "create", "b", "--expected")
SEMAPHORE = ("semaphore", "create", "s", "--permits")
APPLY = ("apply", "-f", "-")

MANIFEST = "apiVersion: konductor.io/v1\nkind: Barrier\nmetadata: {name: b}\nspec: {expected: 5}\n"


@pytest.mark.parametrize(
    "arguments,message",
    [
        # words
        (("bariers", "list"), "did you mean 'barrier'"),
        (("barrier", "arive", "b"), "did you mean 'arrive'"),
        (("mutexx", "lock", "m"), "no command 'mutexx'"),
        ((LONG,), "no command 'xxx"),
        (("barrier", "arrive", "b", "--foo"), "--foo"),
        (("barrier", "arrive", "b", "c", "d"), "unexpected extra argument"),
        (("barrier", "arrive"), "NAME"),
        (("barrier", "create", "b"), "--expected"),
        (("barrier", "status", "b", "-o", "xml"), "'xml' is not one of"),
        (("get", "barier/b"), "did you mean barrier?"),
        (("get", "leasess"), "'leasess' is unknown"),
        (("get", "-l", "a=b=c"), "selector"),
        (("completion", "tcsh"), "'tcsh' is not one of"),
        # durations
        ((*BARRIER, "5", "--timeout", "2 h"), "--timeout '2 h' is not a duration"),
        ((*BARRIER, "5", "--timeout", "30"), "has no unit: for seconds write 30s"),
        ((*BARRIER, "5", "--timeout", "-5m"), "'-5m' is negative"),
        ((*BARRIER, "5", "--timeout", "9999999h"), "longer than ten years"),
        ((*BARRIER, "5", "--timeout", LONG), "is not a duration"),
        ((*BARRIER, "5", "--timeout", ""), "'' is not a duration"),
        (("barrier", "wait", "b", "--timeout", "soon"), "--timeout 'soon' is not a duration"),
        (("semaphore", "acquire", "s", "--ttl", "1h\n"), "--ttl '1h\\n' is not a duration"),
        # numbers
        ((*BARRIER, "0"), "--expected 0 is out of range"),
        ((*BARRIER, "-1"), "--expected -1 is out of range"),
        ((*BARRIER, "1000001"), "use a number from 1 to 1000000"),
        ((*BARRIER, "9" * 30), "is not a whole number"),
        ((*BARRIER, LONG), "is not a whole number"),
        ((*BARRIER, "5.5"), "'5.5' is not a whole number"),
        ((*BARRIER, "1_000"), "'1_000' is not a whole number"),
        ((*BARRIER, "٣"), "is not a whole number"),
        ((*BARRIER, "5", "--quorum", "6"), "quorum 6 is more than expected 5"),
        ((*BARRIER, "5", "--quorum", "3", "--cyclic"), "does not go with cyclic"),
        ((*BARRIER, "5", "--timeout", "0"), "too short"),
        ((*SEMAPHORE, "-1"), "--permits -1 is out of range"),
        ((*SEMAPHORE, "2", "--policy", "Fair"), "'Fair' is not one of"),
        (("semaphore", "acquire", "s", "--permits", "0"), "--permits 0 is out of range"),
        (("semaphore", "acquire", "s", "--priority", "1001"), "priority 1001 is out of range"),
        (("semaphore", "release", "s", "--token", "new"), "'new' is not a whole number"),
        # names
        (("barrier", "create", "B", "--expected", "5"), "NAME 'B' is not valid: use lower-case letters"),
        (("barrier", "create", "b\n", "--expected", "5"), "NAME 'b\\n' is not valid"),
        (("barrier", "create", "a:b", "--expected", "5"), "NAME 'a:b' is not valid"),
        (("barrier", "create", "{b}", "--expected", "5"), "NAME '{b}' is not valid"),
        (("barrier", "create", "a b", "--expected", "5"), "NAME 'a b' is not valid"),
        (("barrier", "create", "😀", "--expected", "5"), "NAME '😀' is not valid"),
        (("barrier", "create", "", "--expected", "5"), "NAME '' is not valid"),
        (("barrier", "create", LONG, "--expected", "5"), "is too long: use at most 253 characters"),
        (("barrier", "status", "b", "-n", "no/way"), "--namespace 'no/way' is not valid"),
        (("barrier", "status", "b", "-n", LONG), "is too long"),
        ((*BARRIER, "5", "-l", "stage"), "'stage' is not a label"),
        ((*BARRIER, "5", "-l", "stage=a b"), "--label.stage 'a b' is not valid"),
        # holders
        (("barrier", "arrive", "b", "a\nb"), "HOLDER 'a\\nb' is not valid: leave out line breaks"),
        (("barrier", "arrive", "b", "--arrival-id", " x"), "--arrival-id ' x' is not valid"),
        (("semaphore", "acquire", "s", "--holder", ""), "--holder is empty"),
        (("semaphore", "acquire", "s", "--holder", LONG), "--holder 'xxx"),
        (("semaphore", "acquire", "s", "--holder", "\x1b[31m"), "leave out line breaks and other control characters"),
        # locks, and several at once
        (("mutex", "lok", "m"), "did you mean 'lock'"),
        (("mutex", "lock", "M"), "NAME 'M' is not valid"),
        (("mutex", "lock", "m", "--permits", "2"), "--permits"),
        (("mutex", "lock", "m", "--timeout", "-1s"), "--timeout '-1s' is negative"),
        (("mutex", "unlock", "m", "--token", "x"), "--token 'x' is not a whole number"),
        (("mutex", "create", "m", "--ttl", "-1s"), "--ttl '-1s' is negative"),
        (("rwmutex", "rlock", "r", "--ttl", "forever"), "--ttl 'forever' is not a duration"),
        (("rwmutex", "unlock", "r", "--holder", ""), "--holder is empty"),
        (("lease", "acquire", "l", "--priority", "2000"), "priority 2000 is out of range"),
        (("lease", "acquire", "l", "--ttl", "0"), "a ttl of 0 never ends"),
        (("lease", "renew", "l", "--token", "1.5"), "--token '1.5' is not a whole number"),
        (("lease", "force-release", "l"), "whose lease? Give the holder"),
        (("acquire", "mutex/m=2"), "mutex/m has one permit only, not 2"),
        (("acquire", "rwmutex/r=all"), "'all' is neither read nor write"),
        (("acquire", "barrier/b"), "'barrier/b' grants no permits"),
        (("exec", "--mutex", "M", "--", "true"), "--mutex 'M' is not valid"),
        # URLs
        (("barrier", "status", "b", "--redis-url", "http://x"), "unknown scheme 'http'"),
        (("barrier", "status", "b", "--redis-url", "redis://x:port/0"), "--redis-url"),
        (("barrier", "status", "b", "--redis-url", ""), "--redis-url"),
        # files
        (("apply",), "nothing to apply"),
        (("apply", "-f", "absent.yaml"), "cannot read 'absent.yaml': No such file"),
        (("apply", "-f", "."), "has no manifests"),
        (("apply", "-f", "nul\x01"), "cannot read 'nul\\x01'"),
    ],
)
def test_bad_words_are_refused_in_one_line(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    refused = cli(*arguments)
    assert refused.code == 64
    assert refused.out == ""
    assert message in refused.error
    assert len(refused.err) < 1000
    assert cli.k.objects() == []


@pytest.mark.parametrize("holder", ["a:b", "{a}", "a b", "😀", "日本語", "a/b", "--", "'", '"', "\\", "x" * 253])
def test_holders_may_be_any_printable_text(cli: Cli, holder: str) -> None:
    cli.k.barrier("b").define(1)
    cli.ok("barrier", "arrive", "b", f"--arrival-id={holder}")
    assert [arrival.id for arrival in cli.k.barrier("b").status().arrivals] == [holder]


@pytest.mark.parametrize(
    "text,message",
    [
        (MANIFEST.replace("expected", "expectd"), "stdin:1: Barrier b: spec has the unknown field 'expectd'"),
        (MANIFEST.replace("expected", "expectd"), "did you mean expected?"),
        (MANIFEST.replace("expected: 5", "expected: five"), "spec.expected 'five' is not a whole number"),
        (MANIFEST.replace("expected: 5", "expected: '5'"), "is text: write the number without quotes"),
        (MANIFEST.replace("expected: 5", "expected: 5, timeout: 30"), "has no unit: for seconds write 30s"),
        (MANIFEST.replace("expected: 5", "expected: 5, timeout: [1]"), "spec.timeout [1] is not a duration"),
        (MANIFEST.replace("expected: 5", ""), "spec.expected is missing"),
        (MANIFEST.replace("kind: Barrier", "kind: Barier"), "stdin:1: kind 'Barier' is unknown: did you mean Barrier?"),
        (MANIFEST.replace("Barrier", "Mutex"), "stdin:1: Mutex b: spec has the unknown field 'expected'"),
        (
            MANIFEST.replace("Barrier", "Lease").replace("expected", "ttl"),
            "spec.ttl 5 has no unit: for seconds write 5s",
        ),
        (MANIFEST.replace("Barrier", "RWMutex").replace("expected: 5", "ttl: -5s"), "spec.ttl '-5s' is negative"),
        (MANIFEST.replace("Barrier", "Once").replace("expected: 5", "ttl: [1]"), "spec.ttl [1] is not a duration"),
        (MANIFEST.replace("Barrier", "WaitGroup"), "WaitGroup b: spec has the unknown field 'expected'"),
        (MANIFEST.replace("konductor.io/v1", "konductor.io/v2"), "apiVersion 'konductor.io/v2' is unknown"),
        (MANIFEST.replace("konductor.io/v1", "batch/v1"), "apply it with kubectl"),
        (MANIFEST.replace("{name: b}", "{nmae: b}"), "metadata.name"),
        (MANIFEST.replace("{name: b}", "{name: B}"), "metadata.name 'B' is not valid"),
        (MANIFEST + "---\n" + MANIFEST.replace("expected", "expectd"), "stdin:6: Barrier b"),
        (MANIFEST + "bad: [", "stdin:"),
        ("a: b: c\n", "stdin:1:5"),
        ("x\ty: [\n", "stdin:1:2: not YAML"),
        ('{"kind": "Barrier",', "stdin:1"),
        ("", "no objects in -"),
        ("just text", "is not a manifest"),
        (b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_place_and_the_remedy(cli: Cli, text: str, message: str) -> None:
    refused = cli(*APPLY, stdin=text)
    assert refused.code == 64
    assert message in refused.error
    assert cli.k.objects() == []


def test_a_bad_manifest_among_good_ones_writes_none_of_them(cli: Cli) -> None:
    (cli.cwd / "1.yaml").write_text(MANIFEST)
    (cli.cwd / "2.yaml").write_text(MANIFEST.replace("5", "-5"))
    refused = cli("apply", "-f", ".")
    assert refused.code == 64
    assert "2.yaml:1" in refused.error
    assert cli.k.objects() == []


@pytest.mark.parametrize(
    "variable,value,message",
    [
        ("KONDUCTOR_REDIS_URL", "http://x", "KONDUCTOR_REDIS_URL has the unknown scheme 'http'"),
        ("KONDUCTOR_NAMESPACE", "No", "KONDUCTOR_NAMESPACE 'No' is not valid"),
        ("KONDUCTOR_HOLDER", "a\nb", "KONDUCTOR_HOLDER 'a\\nb' is not valid"),
        ("KONDUCTOR_OUTPUT", "xml", "KONDUCTOR_OUTPUT 'xml' is unknown"),
        ("KONDUCTOR_MIN_REPLICAS", "many", "KONDUCTOR_MIN_REPLICAS 'many' is not a whole number"),
        ("KONDUCTOR_CONFIG", "/absent.toml", "/absent.toml cannot be read"),
    ],
)
def test_a_bad_variable_is_named(cli: Cli, variable: str, value: str, message: str) -> None:
    refused = cli("barrier", "arrive", "b", **{variable: value})
    assert refused.code == 64
    assert message in refused.error


def test_a_bad_config_file_is_named(cli: Cli) -> None:
    config = cli.cwd / ".config" / "konductor" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('outputs = "json"\n')
    refused = cli("barrier", "arrive", "b")
    assert refused.code == 64
    assert "did you mean output?" in refused.error


def test_errors_are_json_where_json_is_wanted(cli: Cli) -> None:
    for arguments in (("-o", "json", "barrier", "status", "b"), ("barrier", "status", "-ojson", "b")):
        refused = cli(*arguments)
        assert refused.code == 2
        assert refused.out == ""
        assert json.loads(refused.err)["code"] == "not-found"
    usage = cli("barrier", "arrive", "--foo", "--output=json")
    assert json.loads(usage.err) == {
        "code": "invalid-input",
        "error": "No such option '--foo'.",
        "hint": "see koncli barrier arrive --help",
    }
    assert json.loads(cli("barrier", "status", "b", KONDUCTOR_OUTPUT="json").err)["code"] == "not-found"
