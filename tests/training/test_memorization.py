"""Runs of clips in songs: against a search that is too simple to be wrong."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from songloom.training.memorization import (
    ClipRuns,
    MemorizationCheck,
    Run,
    TokenizedSong,
    check_memorization,
    longest_runs,
)


def moving(codes: Tensor) -> list[tuple[int, tuple[int, ...]]]:
    """The frames that differ from the one before, with where they stand."""
    frames = [tuple(frame) for frame in codes.T.tolist()]
    return [(t, now) for t, now in enumerate(frames) if t == 0 or frames[t - 1] != now]


def naive_length(clip: Tensor, song: Tensor, codebooks: int) -> int:
    ours = [frame[:codebooks] for _, frame in moving(clip)]
    theirs = [frame[:codebooks] for _, frame in moving(song)]
    best = 0
    for i in range(len(ours)):
        for j in range(len(theirs)):
            length = 0
            while ours[i + length : i + length + 1] == theirs[j + length : j + length + 1] != []:
                length += 1
            best = max(best, length)
    return best


def stands_in_both(run: Run, clip: Tensor, song: Tensor, codebooks: int) -> bool:
    stretches = [
        [frame[:codebooks] for t, frame in moving(codes) if t >= start][: run.frames]
        for codes, start in ((clip, run.clip_start), (song, run.song_start))
    ]
    return stretches[0] == stretches[1] and len(stretches[0]) == run.frames


@st.composite
def pieces(draw: st.DrawFn, codebooks: int) -> Tensor:
    frames = draw(st.integers(0, 25))
    few = st.integers(0, 2)  # codes: few, so that runs are long and repeat
    rows = st.lists(few, min_size=frames, max_size=frames)
    return torch.tensor([draw(rows) for _ in range(codebooks)]).reshape(codebooks, frames)


@given(data=st.data())
def test_runs_are_those_of_a_naive_search(data: st.DataObject) -> None:
    codebooks = data.draw(st.integers(1, 3))
    clips = data.draw(st.lists(pieces(codebooks), max_size=3))
    songs = data.draw(st.lists(pieces(codebooks), max_size=3))
    titled = [TokenizedSong(str(number), codes) for number, codes in enumerate(songs)]
    for clip, runs in zip(clips, longest_runs(clips, titled), strict=True):
        for run, depth in ((runs.exact, codebooks), (runs.coarse, 1)):
            assert run.frames == max((naive_length(clip, s, depth) for s in songs), default=0)
            if run.frames:
                assert stands_in_both(run, clip, songs[int(run.song or "")], depth)
            else:
                assert run == Run()


def music(frames: int, seed: int, codebooks: int = 4, card: int = 2048) -> Tensor:
    return torch.randint(card, (codebooks, frames), generator=torch.Generator().manual_seed(seed))


def test_a_copied_stretch_is_found_where_it_is() -> None:
    songs = [TokenizedSong("first", music(5000, 1)), TokenizedSong("second", music(5000, 2))]
    clip = music(400, 3)
    clip[:, 100:250] = songs[1].codes[:, 3000:3150]
    clip[3, 170] += 1  # one token of the last codebook differs
    (runs,) = longest_runs([clip], songs)
    assert runs.exact == Run(79, 171, "second", 3071)
    assert runs.coarse.frames >= 150


def test_stereo_has_too_many_bits_for_one_integer_and_works() -> None:
    song = music(1000, 1, codebooks=8)
    clip = song[:, 200:300].clone()
    clip[7, 50] += 1
    (runs,) = longest_runs([clip], [TokenizedSong("song", song)])
    assert runs.exact == Run(50, 0, "song", 200)


def test_silence_is_no_copy() -> None:
    silence = torch.full((4, 200), 7)
    song = torch.cat([music(100, 1), silence], dim=1)
    clip = torch.cat([music(100, 2), silence], dim=1)
    (runs,) = longest_runs([clip], [TokenizedSong("song", song)])
    assert runs.exact.frames == 1


def test_runs_do_not_go_from_one_song_into_the_next() -> None:
    clip = music(40, 1)
    songs = [TokenizedSong("a", clip[:, :30]), TokenizedSong("b", clip[:, 30:])]
    (runs,) = longest_runs([clip], songs)
    assert runs.exact == Run(30, 0, "a", 0)


def test_songs_are_gone_through_once() -> None:
    song = TokenizedSong("song", music(100, 1))
    check = check_memorization([], [song.codes[:, :50]], [], (item for item in [song]), 50.0)
    assert check.after[0].exact.frames == 50


def test_the_reference_is_as_much_music_as_the_clips() -> None:
    held_out = [music(1000, 1), music(90, 2)]
    clips = [music(100, seed) for seed in range(3, 8)]
    training = TokenizedSong("both", torch.cat(held_out, dim=1))
    check = check_memorization(clips, clips, held_out, [training], 50.0)
    assert [runs.exact.frames for runs in check.held_out] == [100, 90, 100, 90, 100]
    starts = [runs.exact.song_start for runs in check.held_out[::2]]
    assert starts == [150, 450, 750]  # spread over the song


def runs(exact: int, coarse: int) -> ClipRuns:
    return ClipRuns(Run(exact, 0, "song", 0), Run(coarse, 0, "song", 0))


@pytest.mark.parametrize(
    ("after", "before", "held_out", "verdict"),
    [
        ((3, 9), (2, 8), (3, 10), "clear"),
        ((24, 24), (0, 0), (0, 0), "clear"),  # below half a second nothing is unusual
        ((30, 30), (2, 8), (25, 30), "clear"),  # as much is shared by songs of the style anyway
        ((30, 30), (2, 8), (3, 10), "unusual"),
        ((3, 60), (2, 8), (3, 10), "unusual"),
        ((60, 60), (2, 8), (3, 10), "copied"),
        ((60, 60), (2, 8), (50, 60), "clear"),
    ],
)
def test_verdict(
    after: tuple[int, int], before: tuple[int, int], held_out: tuple[int, int], verdict: str
) -> None:
    check = MemorizationCheck(
        50.0, (runs(*before),), (runs(1, 1), runs(*after)), (runs(*held_out),)
    )
    assert check.verdict == verdict


def test_nothing_to_compare_is_clear() -> None:
    assert check_memorization([], [], [], [], 50.0).verdict == "clear"
