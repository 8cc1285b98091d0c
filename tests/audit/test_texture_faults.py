"""A fault planted for every check of a texture attack: the untouched run does not fail, the tampered one is caught."""

import json

import numpy as np
import polars as pl
import pytest

from rig.audit import FAIL, NOT_APPLICABLE, PASS, WARN, audit
from rig.images import read_image

MAIN = pl.col("artefact") == "adversarial"


def of(path, number: int):
    (finding,) = audit(path, only=(number,))
    return finding


@pytest.fixture(scope="module")
def untouched(attacked):
    return {finding.number: finding for finding in audit(attacked)}


def test_the_untouched_run_fails_nothing_and_answers_every_check(untouched):
    assert list(untouched) == list(range(1, 26))
    assert {number: one.sentence for number, one in untouched.items() if one.status == FAIL} == {}
    assert untouched[5].status in (PASS, WARN)  # held on 8 validation views, which are a sample
    verified = {number for number, one in untouched.items() if one.status == PASS}
    assert verified | {5} == {1, 2, 3, 4, 5, 7, 10, 13, 14, 15, 17, 19, 20, 21, 22, 23}
    assert {number for number, one in untouched.items() if one.status == NOT_APPLICABLE} == {24}
    assert all("--deep" in untouched[number].sentence for number in (6, 8, 9, 12, 25))


FAULTS = {}


def fault(number: int, says: str):
    """Registers a way to tamper; the check must then fail (or, of level W, warn) and say so."""

    def register(plant):
        FAULTS[f"{number} {plant.__name__}"] = (number, says, plant)
        return plant

    return register


@fault(1, "does not state: norm")
def no_norm(run, _):
    run.state(lambda state: state["threat_model"].update(norm=" "))


@fault(1, "ranges of the distribution")
def no_ranges(run, _):
    run.state(lambda state: state["threat_model"]["distribution"].update(dimensions={}))


@fault(1, "The trials have targets")
def another_rule_of_success(run, _):
    run.state(lambda state: state["threat_model"].update(success="predicted not in true labels"))


@fault(1, "The gradients came from compiled")
def black_box_by_gradients(run, _):
    road = {"gradient": "compiled graph"}
    run.state(lambda state: state["models"][0].update(road) or state["threat_model"].update(knowledge="scores only"))


@fault(1, "The gradients came from NES, 50 pairs, the threat model says knowledge is")
def white_box_by_scores_only(run, _):
    run.state(lambda state: state["models"][0].update(gradient="NES, 50 pairs"))


@fault(2, "5 of 80 attacked trials have no clean twin")
def lost_clean_twin(run, _):
    run.rows(lambda rows: rows.filter(~((pl.col("artefact") == "clean") & (pl.col("view") == "eval-000003"))))


@fault(2, "of another view")
def twin_of_another_view(run, _):
    moved = pl.when((pl.col("artefact") == "clean") & (pl.col("view") == "eval-000003")).then(pl.col("azimuth_deg") + 1)
    run.rows(lambda rows: rows.with_columns(azimuth_deg=moved.otherwise(pl.col("azimuth_deg"))))


@fault(2, "not also given on clean-correct views")
def no_clean_correct_rates(run, _):
    run.metrics(lambda metrics: [row.pop("clean_correct") for row in metrics["rates"]])


@fault(3, "2 of 16 evaluation views were seen")
def reused_attack_views(run, drawn):
    """Two views of the evaluation get the numbers of views that the optimiser really was shown."""
    seen = {"eval-000001": drawn[0], "eval-000002": drawn[-1]}

    def reuse(rows):
        for name, view in seen.items():
            new = [
                pl.when(pl.col("view") == name).then(value).otherwise(pl.col(key)).alias(key)
                for key, value in view.values.items()
            ]
            rows = rows.with_columns(new)
        return rows

    run.rows(reuse)


@fault(4, "(any wrong answer:")
def any_wrong_counted_as_the_target(run, _):
    """The much-copied mistake: every miss in the targeted column."""
    run.predict("green", MAIN, pl.col("view") == "eval-000000")

    def as_any_wrong(metrics):
        for row in metrics["rates"]:
            row["adversariality"]["k"] += row["other_wrong"]["k"] + (row["artefact"] == "adversarial")

    run.metrics(as_any_wrong)


@fault(4, 'stored as "target" against their predicted label')
def edited_outcome(run, _):
    run.rows(
        lambda rows: rows.with_columns(
            outcome=pl.when(pl.col("artefact") == "clean").then(pl.lit("target")).otherwise(pl.col("outcome"))
        )
    )


@fault(5, "not the picture whose hash")
def another_picture(run, _):
    run.paint("adversarial", 255 - read_image(run.path / "artefacts/adversarial/texture.png"), honest=False)


@fault(5, "Mean Delta-E is exceeded: adversarial")
def texture_beyond_its_delta_e(run, _):
    clean, painted = (
        read_image(run.path / f"artefacts/{name}/texture.png").astype(float) for name in ("clean", "adversarial")
    )
    run.paint("adversarial", np.clip(clean + 2.5 * (painted - clean), 0, 255).astype(np.uint8))


@fault(5, "texels outside the paintable area changed in adversarial")
def masked_texel_painted(run, _):
    texture = read_image(run.path / "artefacts/adversarial/texture.png").copy()
    texture[7, 2] = 255 - texture[7, 2]
    run.paint("adversarial", texture)


@fault(5, "painted texels of adversarial-3 lie outside the gamut of coated paper, offset")
def any_colour_where_printable_ones_are_promised(run, _):
    run.state(lambda state: state["config"]["attack"].update(printable=True))


@fault(5, "is not the object's own")
def clean_moved_towards_the_attack(run, _):
    run.paint("clean", read_image(run.path / "artefacts/adversarial-2/texture.png"))


@fault(6, "gradient reached 0.0 % of the texels")
def dead_gradient(run, _):
    arrays = dict(np.load(run.path / "attack/adversarial/state.npz"))
    np.savez(run.path / "attack/adversarial/state.npz", **arrays | {"square_0": np.zeros_like(arrays["square_0"])})


@fault(6, "The loss was not finite: delta_e at 1 steps")
def term_that_is_not_a_number(run, _):
    path = run.path / "attack/history.parquet"
    bad = pl.when((pl.col("phase") == "adversarial") & (pl.col("step") == 5)).then(float("nan"))
    pl.read_parquet(path).with_columns(delta_e=bad.otherwise(pl.col("delta_e"))).write_parquet(path)


@fault(8, "Equal frames have probabilities up to")
def another_answer_to_the_same_frame(run, _):
    same = pl.when(MAIN & (pl.col("view") == "eval-000001"))
    row = pl.col("frame_hash").filter(MAIN & (pl.col("view") == "eval-000000")).first()
    prob = pl.col("predicted_prob").filter(MAIN & (pl.col("view") == "eval-000000")).first() - 0.01
    run.rows(
        lambda rows: rows.with_columns(
            frame_hash=same.then(row).otherwise(pl.col("frame_hash")),
            predicted_prob=same.then(prob).otherwise(pl.col("predicted_prob")),
        )
    )


@fault(10, "not the texture that validated best")
def last_iterate_kept(run, _):
    texture = read_image(run.path / "artefacts/adversarial/texture.png").copy()
    texture[9, 9] ^= 1
    run.paint("adversarial", texture)


@fault(10, "had been validated")
def better_one_dropped(run, _):
    path = run.path / "attack/adversarial-2/state.npz"
    arrays = dict(np.load(path))
    np.savez(path, **arrays | {"best_success": arrays["best_success"] - 0.1})


@fault(10, "adversarial was kept at Delta-E")
def more_change_than_needed(run, _):
    """An attack that was to look for the least change, and kept a texture farther away than one that did as well."""
    run.state(lambda state: state["config"]["attack"].update(keep_success=0.9))
    path = run.path / "attack/history.parquet"
    last = (pl.col("phase") == "adversarial") & pl.col("validation_success").is_not_null()
    values = {"validation_success": pl.lit(1.0), "validation_delta_e": pl.lit(1.0)}
    changed = [pl.when(last).then(value).otherwise(pl.col(name)).alias(name) for name, value in values.items()]
    pl.read_parquet(path).with_columns(changed).write_parquet(path)
    arrays = dict(np.load(run.path / "attack/adversarial/state.npz"))
    np.savez(run.path / "attack/adversarial/state.npz", **arrays | {"best_score": np.array([0.9, -2.0])})


def history(run, change):
    path = run.path / "attack/history.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


@fault(11, "Only 7 steps were taken")
def stopped_early(run, _):
    history(run, lambda steps: steps.filter(pl.col("step") <= 7))


@fault(11, "cannot be verified: no attack/history.parquet")
def history_lost(run, _):
    (run.path / "attack/history.parquet").unlink()


@fault(13, "Success falls with a larger budget")
def more_budget_does_worse(run, _):
    run.predict("plain", pl.col("artefact") == "adversarial-3")


@fault(14, "not run: rig audit RUN --deep")
def unbounded_attack_that_fails(run, _):
    run.predict("plain", pl.col("artefact") == "adversarial-3", pl.col("view") < "eval-000008")


@fault(15, "control_random succeeds on 16, adversarial on 0 of 16")
def random_beats_the_attack(run, _):
    run.predict("plain", MAIN)
    run.predict("red", pl.col("artefact") == "control_random")


@fault(16, "does not state how many queries")
def queries_not_stated(run, _):
    run.state(lambda state: state["resources"].update(queries=0))


@fault(16, "no random texture was tried")
def no_random_texture(run, _):
    run.rows(lambda rows: rows.filter(pl.col("artefact") != "control_random"))


@fault(17, "items lack one of 3 attacks")
def attack_missing_on_an_item(run, _):
    run.rows(lambda rows: rows.filter(~((pl.col("artefact") == "adversarial-2") & (pl.col("view") == "eval-000005"))))


@fault(18, "control_single_view is not in the run")
def control_lost(run, _):
    run.rows(lambda rows: rows.filter(pl.col("artefact") != "control_single_view"))


@fault(18, "control_random was not measured at the attack's views")
def control_at_other_views(run, _):
    other = pl.when((pl.col("artefact") == "control_random") & (pl.col("view") == "eval-000005")).then(
        pl.lit("eval-000099")
    )
    run.rows(lambda rows: rows.with_columns(view=other.otherwise(pl.col("view"))))


@fault(18, "times as far from clean as the attack")
def control_too_near(run, _):
    clean = read_image(run.path / "artefacts/clean/texture.png").copy()
    clean[:, 4:] ^= 1
    run.paint("control_random", clean)


@fault(19, "No treatment is known for: shutter_s")
def unlisted_stage(run, _):
    run.state(lambda state: state["threat_model"]["distribution"]["dimensions"].update(shutter_s=[0, 1]))


@fault(20, "is not 16")
def shares_that_do_not_add_up(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["other_wrong"].update(k=3))


@fault(20, "1 outcomes are not what the prediction says")
def miss_counted_as_correct(run, _):
    """The prediction is neither; the stored outcome says correct."""
    edited = pl.when(MAIN & (pl.col("view") == "eval-000000"))
    run.rows(
        lambda rows: rows.with_columns(
            predicted=edited.then(pl.lit("green")).otherwise(pl.col("predicted")),
            outcome=edited.then(pl.lit("correct")).otherwise(pl.col("outcome")),
        )
    )


@fault(21, "changed while the run was under way")
def model_swapped(run, _):
    run.state(lambda state: state["models"][0].update(sha256_after="ab" * 32))


@fault(21, "does not state: versions, queries")
def no_versions(run, _):
    run.state(lambda state: state.update(versions={}) or state["resources"].update(queries=0))


@fault(21, "1 stored views are not those that seed and distribution give")
def view_from_elsewhere(run, _):
    moved = pl.when(pl.col("view") == "eval-000004").then(pl.col("distance_m") + 0.01).otherwise(pl.col("distance_m"))
    run.rows(lambda rows: rows.with_columns(distance_m=moved))


@fault(21, "trials/part-cube-adversarial-toy-000000.parquet is edited since it was written.")
def part_edited(run, _):
    """In every column at once, and back again: the rows say what they said, the bytes differ."""
    part = run.path / "trials/part-cube-adversarial-toy-000000.parquet"
    pl.read_parquet(part).write_parquet(part)


@fault(21, "trials/part-cube-control_random-toy-000000.parquet is missing though it was written.")
def part_lost(run, _):
    (run.path / "trials/part-cube-control_random-toy-000000.parquet").unlink()


@fault(21, "trials/part-cube-extra.parquet is not written by this run.")
def part_added(run, _):
    rows = pl.read_parquet(run.path / "trials/part-cube-adversarial-toy-000000.parquet")
    rows.with_columns(artefact=pl.lit("control_random"), view=pl.lit("x")).head(0).write_parquet(
        run.path / "trials/part-cube-extra.parquet"
    )


@fault(21, "hashes.sha256 is not the file whose hash run.json holds.")
def part_edited_and_its_hash(run, _):
    before = json.loads((run.path / "run.json").read_text())["parts"]
    part_edited(run, _)
    run.seal()
    run.state(lambda state: state.update(parts=before))


@fault(21, "not written by this run, and 5 more")
def hashes_lost(run, _):
    (run.path / "hashes.sha256").unlink()


@fault(22, "without the name of its method")
def interval_without_method(run, _):
    run.metrics(lambda metrics: metrics["rates"][0]["accuracy"].update(method=""))


@fault(22, "0.5000 [")
def rate_of_other_counts(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["accuracy"].update(rate=0.5))


@fault(22, "is no rate")
def more_hits_than_views(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["accuracy"].update(k=17))


@fault(22, "the bounds of an interval are reversed")
def bounds_reversed(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["accuracy"].update(low=0.9, high=0.1, method="bootstrap by view"))


@fault(22, "state no rate with an interval")
def no_intervals(run, _):
    run.metrics(lambda metrics: [metrics.pop(name) for name in list(metrics) if isinstance(metrics[name], list)])


@fault(22, "0.0100] is not the rate and Wilson's interval of")
def interval_too_narrow(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["accuracy"].update(high=0.01))


@fault(22, "does not name its cluster")
def bootstrap_without_cluster(run, _):
    run.metrics(lambda metrics: metrics["rates"][1]["accuracy"].update(method="bootstrap"))


@fault(23, "cells hold")
def cell_without_its_trials(run, _):
    run.metrics(lambda metrics: metrics["persistence"][1]["cells"][0].update(n=0, k=0))


@fault(23, "CVaR of the cells is")
def mean_in_the_place_of_the_tail(run, _):
    run.metrics(lambda metrics: metrics["persistence"][1].update(cvar_least_fooled=0.123))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name, run, drawn, untouched):
    number, says, plant = FAULTS[name]
    before = untouched[number]
    plant(run, drawn)
    after = of(run.path, number)
    assert says in after.sentence
    assert says not in before.sentence
    assert before.status != FAIL
    hangs_on_deep = "--deep" in says
    assert after.status == (FAIL if after.level == "F" and not hangs_on_deep else WARN)


def test_an_attack_that_changed_nothing_has_no_control(run, drawn):
    run.paint("adversarial", read_image(run.path / "artefacts/clean/texture.png"))
    found = of(run.path, 18)
    assert (found.status, found.sentence) == (
        WARN,
        "the attack changed nothing that a view shows, so nothing is a control of it",
    )
