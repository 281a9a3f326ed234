"""Commands that measure the method where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.words import Json, Model, Poses, Preset, Sets, names, show, whole_numbers, working
from sa3dhp_edge.extras import need
from sa3dhp_edge.shipped import SHIPPED

experiment = typer.Typer(
    help="Measure the method where the truth is known: on generated domains.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


Grounds = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where source models and targets lie or are made, for several experiments."),
]


@experiment.command("ablation")
def ablation(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    table: Annotated[
        str, typer.Option(help="paper: its losses beside baselines; beyond: what it does not have, with its cost.")
    ] = "paper",
    seeds: Annotated[str, typer.Option(help="One source model for each; on real clips one adaptation.")] = "0,1,2",
    variants: Annotated[str, typer.Option(metavar="LIST", help="As lcr,without-l1v,exact; else all.")] = "",
    targets: Annotated[str, typer.Option(metavar="LIST", help="Of site, park and real; else all there are.")] = "",
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to adapt to as well.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="The run or model that is adapted to real clips.")
    ] = None,
    poses: Poses = None,
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure what each loss of adaptation is worth, beside free baselines.

    Losses one after the other in the paper's order, and each left out. Finished trials are kept.

    \b
    Examples:
      sa3dhp-edge experiment ablation --out docs/results/ablation
      sa3dhp-edge experiment ablation --table beyond --out docs/results/beyond --targets site
      sa3dhp-edge experiment ablation --out docs/results/ablation --targets real --clips clips/ --from runs/source
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.ablation import ablation as job

    with working():
        result = job(
            out=out,
            table=table,
            grounds=grounds,
            seeds=drawn,
            variants=names(variants),
            targets=names(targets),
            clips=clips,
            start=start,
            poses=poses,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("settings")
def settings(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    chosen: Annotated[
        str, typer.Option("--settings", metavar="LIST", help="Of unsupervised, semi, two-sources, unseen; else all.")
    ] = "",
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure adaptation with more labels, and on a target it has not seen.

    Alone, beside a few labelled subjects of the target, and beside a second source.

    \b
    Example:
      sa3dhp-edge experiment settings --out docs/results/settings --grounds docs/results/ablation
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.settings_study import settings_study as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            seeds=drawn,
            chosen=names(chosen),
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("relations")
def relations(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    rules: Annotated[
        str, typer.Option(metavar="LIST", help="As z:flip,v:backward; z or v alone is every candidate for it.")
    ] = "z,v",
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    domain: Annotated[str, typer.Option(help="Generated domain to adapt to.")] = "site",
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure whether relations that carry a latent farther adapt better.

    Every rule alone: how far it carries, how well it is learned, and what it gains.

    \b
    Example:
      sa3dhp-edge experiment relations --out docs/results/relations --rules z,v:backward --set adapt.cycles=20
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.relations_study import relations as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            rules=names(rules),
            seeds=drawn,
            domain=domain,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("speed")
def speed(
    out: Annotated[Path, typer.Option(help="Folder for tables.")],
    start: Annotated[
        str | None, typer.Option("--from", "--model", metavar="MODEL", help="Time this model; else fresh weights.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes all.")] = 0,
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Try torch.compile as well.")] = True,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure how fast training and adaptation go on this machine, and where their time and memory go.

    Minutes, and best on a machine that does nothing else.

    \b
    Example:
      sa3dhp-edge experiment speed --out docs/results/speed --threads 2
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.speed_study import speed as job

    with working():
        result = job(
            out=out,
            start=start,
            preset_name=preset,
            overrides=tuple(sets or ()),
            threads=threads,
            compiled=compiled,
        )
    show(result, as_json)


@experiment.command("smoothing")
def smoothing(
    clips: Annotated[Path, typer.Option(metavar="DIR", help="Folder of clips: video.mp4 and gt_joints.npz.")],
    out: Annotated[Path, typer.Option(help="Folder for table, figure and plot.")],
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Model folders, can be repeated; else the shipped one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what smoothing over time does to error, jitter and delay on real clips.

    The network looks at each clip once; every preset then gets the same poses.

    \b
    Example:
      sa3dhp-edge experiment smoothing --clips gt3d --out docs/results/smoothing
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.smoothing_study import smoothing as job

    with working():
        result = job(clips=clips, out=out, models=tuple(models or [SHIPPED]))
    show(result, as_json)


@experiment.command("detector")
def detector(
    data: Annotated[Path, typer.Option(help="Folder with gt3d (clips with truth) and videos.")],
    labels: Annotated[Path, typer.Option(help="Boxes of the videos' people, labelled by eye.")],
    out: Annotated[Path, typer.Option(help="Folder for table, plot and figures.")],
    every: Annotated[int, typer.Option(min=1, help="Of the clips with truth one frame in so many is asked about.")] = 8,
    scenes: Annotated[int, typer.Option(min=1, help="Generated scenes.")] = 60,
    as_json: Json = False,
) -> None:
    """Measure how many people each way of finding them finds, and what it costs.

    Beside the detector that comes with the program stand those that OpenCV brings along.

    \b
    Example:
      sa3dhp-edge experiment detector --data data --labels docs/results/detector/labels.json --out docs/results/detector
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.detector_study import detector_study as job

    with working():
        result = job(out=out, data=data, labels=labels, every=every, scenes=scenes)
    show(result, as_json)


@experiment.command("alternatives")
def alternatives(
    clips: Annotated[Path, typer.Option(metavar="DIR", help="Folder of clips: video.mp4 and gt_joints.npz.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    model: Model = SHIPPED,
    as_json: Json = False,
) -> None:
    """Measure what else could be done to poses over time: bones learned of the person, and the motion prior.

    \b
    Example:
      sa3dhp-edge experiment alternatives --clips gt3d --out docs/results/smoothing
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.alternatives_study import alternatives as job

    with working():
        result = job(clips=clips, out=out, model=model)
    show(result, as_json)


@experiment.command("joints")
def joints(
    clips: Annotated[Path, typer.Option(metavar="DIR", help="Folder of clips: video.mp4 and gt_joints.npz.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    model: Model = SHIPPED,
    as_json: Json = False,
) -> None:
    """Measure whether a joint's confidence tells its error, on real clips.

    \b
    Example:
      sa3dhp-edge experiment joints --clips gt3d --out docs/results/joints
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.joints_study import joints as job

    with working():
        result = job(clips=clips, out=out, model=model)
    show(result, as_json)


@experiment.command("people")
def people(
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    model: Model = SHIPPED,
    counts: Annotated[str, typer.Option(metavar="N,N", help="People in a stream, to compare.")] = "2,4,8",
    streams: Annotated[int, typer.Option(min=1, help="Streams of each count.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the streams.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure how well several people are kept apart, on generated ones who cross.

    Where the package `trackers` is installed, its ByteTrack and OC-SORT number the same poses beside ours.

    \b
    Example:
      sa3dhp-edge experiment people --out docs/results/people
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.people_study import people as job

    with working():
        result = job(
            out=out, model=model, counts=whole_numbers(counts, "--counts"), streams=streams, seconds=seconds, seed=seed,
            say=typer.echo,
        )  # fmt: skip
    show(result, as_json)


@experiment.command("videos")
def videos(
    video: Annotated[list[Path], typer.Option(help="A video file; can be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    model: Model = SHIPPED,
    cores: Annotated[str, typer.Option(metavar="N,N", help="Cores to be held to, to compare.")] = "1,2",
    frames: Annotated[int, typer.Option(min=1, help="Of each video, at most.")] = 300,
    blazepose: Annotated[Path | None, typer.Option(help="A Python that has mediapipe, to be timed beside.")] = None,
    as_json: Json = False,
) -> None:
    """Time the whole runtime on videos, stage by stage, beside BlazePose on the same frames.

    \b
    Example:
      sa3dhp-edge experiment videos --video a.mp4 --video b.mp4 --out docs/results/videos
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.videos_study import videos as job

    with working():
        result = job(
            videos=video, out=out, model=model, cores=whole_numbers(cores, "--cores"), frames=frames,
            blazepose=blazepose, say=typer.echo,
        )  # fmt: skip
    show(result, as_json)


@experiment.command("soak")
def soak(
    video: Annotated[Path, typer.Option(help="What the camera shows.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    model: Model = SHIPPED,
    frames: Annotated[int, typer.Option(min=10, help="To finish.")] = 200_000,
    faults: Annotated[int, typer.Option(min=0, help="About so many are injected.")] = 80,
    max_people: Annotated[int, typer.Option(min=1, help="Followed at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the plan of faults.")] = 0,
    as_json: Json = False,
) -> None:
    """Run the whole runtime for long on a camera that fails in every way, and watch memory, files and latency.

    Half an hour of one core, or more.

    \b
    Example:
      sa3dhp-edge experiment soak --video hall.mp4 --out docs/results/soak
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.soak_study import soak as job

    with working():
        result = job(
            video=video, out=out, model=model, frames=frames, faults=faults, people=max_people, seed=seed,
            say=typer.echo,
        )  # fmt: skip
    show(result, as_json)


@experiment.command("latency")
def latency(
    out: Annotated[Path, typer.Option(help="Folder for table and figures.")],
    sizes: Annotated[str, typer.Option(metavar="N,N", help="Sides of the pictures, px.")] = "96,128,160,192,256",
    threads: Annotated[str, typer.Option(metavar="N,N", help="CPU threads to compare.")] = "1,2",
    people: Annotated[str, typer.Option(metavar="N,N", help="People in a batch, to compare.")] = "1,4",
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 50,
    pin: Annotated[bool, typer.Option("--pin", help="Hold it to as many cores as threads.")] = False,
    as_json: Json = False,
) -> None:
    """Measure what larger pictures, more threads and more people cost the image network on this processor.

    A minute or two, and best on a machine that does nothing else.

    \b
    Example:
      sa3dhp-edge experiment latency --out docs/results/latency --pin
    """
    sides, counts, crowds = (
        whole_numbers(text, option)
        for text, option in ((sizes, "--sizes"), (threads, "--threads"), (people, "--people"))
    )
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.latency_study import latency as job

    with working():
        result = job(out=out, sizes=sides, threads=counts, people=crowds, rounds=rounds, pin=pin)
    show(result, as_json)


@experiment.command("acceptance")
def acceptance(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    seeds: Annotated[str, typer.Option(help="One source model for each.")] = "0,1,2",
    domains: Annotated[str, typer.Option(metavar="LIST", help="Generated targets; else site and park.")] = "",
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth: a test that no fit sees.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="The run or model that is changed on real clips.")
    ] = None,
    poses: Poses = None,
    grounds: Grounds = None,
    preset: Preset = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure whether a better model is known without labels.

    Models of every quality, from adaptations of all kinds; the score is fitted and tested on others.

    \b
    Example:
      sa3dhp-edge experiment acceptance --out docs/results/acceptance --grounds docs/results/ablation
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.acceptance_study import acceptance as job

    with working():
        result = job(
            out=out,
            grounds=grounds,
            seeds=drawn,
            domains=names(domains),
            clips=clips,
            start=start,
            poses=poses,
            preset_name=preset,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("levers")
def levers(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures; the same again goes on.")],
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to test on as well.")
    ] = None,
    poses: Poses = None,
    start: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="A run whose pose auto-encoder is used.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="One network with all levers for each.")] = "0,1,2",
    variant_seeds: Annotated[int, typer.Option(min=1, help="Networks without a lever: for the first so many.")] = 1,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Measure what each lever of the generated pictures is worth.

    Small networks learn without it and are tested; what the seed alone does stands beside.

    \b
    Example:
      sa3dhp-edge experiment levers --out docs/results/levers --clips clips/ --from runs/source
    """
    drawn = whole_numbers(seeds, "--seeds")
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.levers import levers as job

    with working():
        result = job(
            out=out,
            clips=clips,
            poses=poses,
            start=start,
            seeds=drawn,
            variant_seeds=variant_seeds,
            overrides=tuple(sets or ()),
        )
    show(result, as_json)


@experiment.command("images")
def images(
    run: Annotated[Path, typer.Option(help="A run that kept milestones: --set source.milestones=10.")],
    out: Annotated[Path, typer.Option(help="Folder for table and figure.")],
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to test on as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a source model's error against the number of pictures it has learned from.

    \b
    Example:
      sa3dhp-edge experiment images --run runs/source --clips clips/ --out docs/results/source
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.learning_curve import learning_curve as job

    with working():
        result = job(run=run, clips=clips, out=out)
    show(result, as_json)


@experiment.command("confidence")
def confidence(
    source: Annotated[
        Path, typer.Option(metavar="FRAMESET", help="Labelled frames the model has not seen: a run's source_held_out.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables and figure.")],
    model: Model = SHIPPED,
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared real clips with 3D truth, to test on as well.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how well a model knows its own error, cue by cue.

    Expected against true error, rank correlations, and the error of the frames kept when the worst are left out.

    \b
    Example:
      sa3dhp-edge experiment confidence --model models/hall --source runs/hall/source_held_out --out docs/results
    """
    need("adapt", "the experiment")
    from sa3dhp_edge.experiments.confidence_study import confidence as job

    with working():
        result = job(model=model, clips=clips, source=source, out=out)
    show(result, as_json)
