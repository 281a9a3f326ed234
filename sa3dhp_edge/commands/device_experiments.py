"""Commands that measure what runs on the device: finding, following, smoothing, speed and endurance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sa3dhp_edge.commands.experiments import experiment as experiment
from sa3dhp_edge.commands.words import Json, Model, show, whole_numbers, working
from sa3dhp_edge.extras import need
from sa3dhp_edge.shipped import SHIPPED


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
