"""What stands in the calculation of a mark and in the queue of `review`, as `sentences.py` lists it for a result."""

from __future__ import annotations

from autograder.wording.kinds import N_

OF_MARKS = (
    # --- how a mark comes about (gradebook/marks.py, decided.py, grading.py)
    N_("attempt {n1} of {n2} counts"),
    N_("checks: {n1} of {n2}"),
    N_("set by {raw}: {points}"),
    N_("{raw}: {points1} instead of {points2} of {points3}, by {raw2}"),
    N_("{points} by {raw}"),
    N_("nothing says when it was handed in: counted as in time"),
    N_("handed in {time1}, due {time2}: in time (time: {raw})"),
    N_("handed in {time1}, due {time2}: {delay} late, within the grace of {n} min (time: {raw})"),
    N_("handed in {time1}, due {time2}: {delay} late, more than the grace of {n} min"),
    N_("handed in {time1}, due {time2}: {delay} late"),
    N_("due {time1} instead of {time2} ({raw})"),
    N_("due {time1} instead of {time2}"),
    N_("{cost} = {points1} %, at most {points2} % (time: {raw})"),
    N_("{cost} = {points} % (time: {raw})"),
    N_("mark: {points1} - {points2} % = {points3} of {points4}"),
    N_("mark: {points1} of {points2}"),
    N_("provisional, since checks could not be graded yet"),
    N_("not graded: {words}"),
    N_("no points until a person has looked at it"),
    N_("there is more than one hand-in: {raw}; keep one and grade again"),
    # --- what waits for a human (gradebook/queue.py)
    N_("the written answer waits for points, at most {n}"),
    N_("the largest error is {figure} times what is allowed"),
    N_("{thing} {figure1}, at most {figure2} was asked for"),
)
