"""Of any state of an account: prune deletes nothing that is needed, and everything else.

What is needed is worked out again here, from how the state was made and not from what ECR and Lambda say of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from deploy import retention
from deploy.aws import Account
from deploy.console import Reporter
from deploy.registry import ecr
from tests.support.aws import SampleImage, StrictAws, samples

_YOUNG_DAYS = 2


@dataclass(frozen=True)
class Pushed:
    """An image of a state, by its place in the list. An index has `children`; a signature is about `subject`."""

    days: int
    children: tuple[int, ...] = ()
    subject: int | None = None


@dataclass(frozen=True)
class State:
    """`versions` are, for each function, the images that its versions and at last $LATEST run; `alias` has a canary."""

    pushed: tuple[Pushed, ...]
    versions: tuple[tuple[int, ...], ...]
    keep: int
    meanwhile: int | None
    """An image that is deployed between the plan and the deletion."""


@st.composite
def states(draw: st.DrawFn) -> State:
    pushed: list[Pushed] = []
    for number in range(draw(st.integers(1, 9))):
        days = draw(st.integers(0, 5))
        earlier = st.integers(0, number - 1)
        kind = draw(st.sampled_from(["image", "image", "index", "signature"])) if number else "image"
        if kind == "index":
            pushed.append(Pushed(days, children=tuple(sorted(draw(st.sets(earlier, min_size=1, max_size=3))))))
        else:
            pushed.append(Pushed(days, subject=draw(earlier) if kind == "signature" else None))
    plain = [number for number, image in enumerate(pushed) if not image.children]
    runs = st.sampled_from(plain)
    versions = draw(st.lists(st.lists(runs, min_size=1, max_size=4).map(tuple), max_size=3))
    return State(tuple(pushed), tuple(versions), draw(st.integers(0, 3)), draw(st.none() | runs))


@pytest.fixture(scope="module")
def account() -> Iterator[StrictAws]:
    with StrictAws() as aws:
        yield aws
    assert not aws.violations


@pytest.fixture(scope="module")
def clients(account: StrictAws) -> Iterator[Account]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment().items():
            patch.setenv(name, value)
        clients = Account()
        assert clients.functions
        assert clients.images
        yield clients


def make(aws: StrictAws, state: State) -> list[SampleImage]:
    """The state in the account, instead of what was there."""
    aws.store.functions.clear()
    aws.ecr_state.repositories.clear()
    aws.do("CreateRepository", repositoryName="app")
    made: list[SampleImage] = []
    for image in state.pushed:
        sample = samples.index(*(made[child] for child in image.children)) if image.children else samples.make()
        if image.subject is not None:
            subject = {"mediaType": sample.media_type, "digest": made[image.subject].digest, "size": 1}
            sample = replace(sample, manifest=json.dumps(json.loads(sample.manifest) | {"subject": subject}).encode())
        # two indexes of the same children would be the same
        sample = replace(
            sample, manifest=json.dumps(json.loads(sample.manifest) | {"annotations": {"n": str(len(made))}}).encode()
        )
        made.append(aws.put_image(sample))
        aws.ecr_state.repositories["app"].manifests[made[-1].digest].pushed = (
            time.time() - 86400 * image.days - len(made)
        )
    for number, runs in enumerate(state.versions):
        aws.make_function(f"f{number}", made[runs[0]])
        for image_number in runs[1:-1]:
            aws.release(f"f{number}", made[image_number])
        aws.do("UpdateFunctionCode", FunctionName=f"f{number}", ImageUri=aws.image_uri(made[runs[-1]]))
    return made


def needed(state: State) -> set[int]:
    """What must stay, by the words of the documentation."""
    everything = range(len(state.pushed))
    indexes_of = {n: {i for i in everything if n in state.pushed[i].children} for n in everything}
    alone = [n for n in everything if not indexes_of[n] and state.pushed[n].subject is None]
    newest = sorted(alone, key=lambda n: (state.pushed[n].days, n))[: state.keep]
    runs = {n for versions in state.versions for n in versions}
    stays = {*newest, *runs, *(n for n in everything if state.pushed[n].days < _YOUNG_DAYS)}
    while more := {o for n in stays for o in (*indexes_of[n], state.pushed[n].subject) if o is not None} - stays:
        stays |= more
    while (
        more := {n for n in everything if state.pushed[n].subject in stays or any(i in stays for i in indexes_of[n])}
        - stays
    ):
        stays |= more
    return stays


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(state=states())
def test_what_is_needed_stays_and_all_else_goes(account: StrictAws, clients: Account, state: State) -> None:
    made = make(account, state)
    repository = ecr.find(clients.images, "app")
    keeping = retention.Keeping(state.keep, timedelta(days=_YOUNG_DAYS), datetime.now(UTC))
    plan = retention.plan(clients, repository, keeping)
    used = needed(state)
    assert {image.digest for image, _ in plan.kept} == {made[number].digest for number in used}
    if state.meanwhile is not None:
        account.make_function("meanwhile", made[state.meanwhile])
    gone = set(retention.delete(clients, Reporter(), repository, plan, keeping).images) if plan.unneeded else set()
    there = {n for n, image in enumerate(made) if image.digest in account.ecr_state.repositories["app"].manifests}
    note(f"needed {used}, still there {there}")
    assert gone == {image.digest for n, image in enumerate(made) if n not in there}
    assert used <= there
    if state.meanwhile is None:
        assert there == used
    else:
        assert there == needed(replace(state, versions=(*state.versions, (state.meanwhile,))))
    for function in account.store.functions.values():
        for version in (function.latest, *function.versions.values()):
            assert version.digest in account.ecr_state.repositories["app"].manifests
