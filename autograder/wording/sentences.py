"""The sentences that the engine puts into results, as they stand there: with a place for each name, shape and number.

A place is called after what it may hold: `{shape}`, `{n1}`. The first sentence that fits counts, so those that say more
come first. A sentence that is missing here is shown in English; tests/test_wording.py looks for those.
"""

from __future__ import annotations

from autograder.wording.at_home import AT_HOME
from autograder.wording.kinds import N_
from autograder.wording.of_marks import OF_MARKS

SENTENCES = (
    # --- where: of a finding
    N_("{name}, line {n}, in {raw}"),
    N_("{name}, line {n}"),
    N_("{name}, lines {n1} to {n2}"),
    N_("{name}, cell {n1}, line {n2}"),
    N_("{name}, cell {n1}, lines {n2} to {n3}"),
    N_("cell {n1}, line {n2}, in {raw}"),
    N_("cell {n1}, line {n2}"),
    N_("argument {n}"),
    # --- what could be better although it is right
    N_(
        "{name} runs about {figure} operators for each further position; "
        "a number that does not grow, of matrix products say, can do the same (this costs no points)"
    ),
    N_(
        "{name} runs about {figure1} operators for each further position; "
        "about {figure2} can do the same (this costs no points)"
    ),
    N_("{name} needs {n1} operators where the solution needs {n2}: what does the work in it?"),
    N_("{name1} was taken for {name2}: only its shape fits, name it as the handout does"),
    # --- what is wrong with a shape
    N_("looks transposed, batch and time look swapped: got {shape1}, expected {shape2}"),
    N_("looks transposed (axes {list}): got {shape1}, expected {shape2}"),
    N_("one axis of size 1 too many (axis {n}: squeeze it): got {shape1}, expected {shape2}"),
    N_("one axis of size 1 is missing (axis {n}: unsqueeze or keepdim=True): got {shape1}, expected {shape2}"),
    N_("the right number of values in another arrangement (reshape, flatten?): got {shape1}, expected {shape2}"),
    N_("wrong size of axis {n}: got {shape1}, expected {shape2}"),
    N_("wrong size of axes {list}: got {shape1}, expected {shape2}"),
    N_("wrong number of axes: got {shape1}, expected {shape2}"),
    # --- values
    N_("wrong values in {n1} of {n2} places, first at {index}"),
    N_("wrong value, off by about {figure}"),
    N_("wrong value"),
    N_("the largest error, about {figure}, is at {index}"),
    N_("NaN in {n1} of {n2} places, first at {index}"),
    N_("infinity in {n1} of {n2} places, first at {index}"),
    N_("NaN in the only place"),
    N_("infinity in the only place"),
    N_("the expected answer has none"),
    N_("not expected there"),
    N_("a finite number where none belongs: in {n1} of {n2} places, first at {index}"),
    N_("a finite number where none belongs: in the only place"),
    N_("NaN in {thing}"),
    N_("another text than expected"),
    N_("other keys than expected: {n1} of {n2} keys are missing, {n3} are unexpected"),
    # --- what a wrong answer looks like
    N_("every value differs"),
    N_("your answer is zero everywhere"),
    N_("the sign is flipped, the size is right"),
    N_("True and False (1 and 0) are swapped everywhere"),
    N_("all values are right up to one factor (close to 1)"),
    N_("all values are right up to one factor (about {figure})"),
    N_("it is right after swapping axes {n1} and {n2}: a transpose too many or too few"),
    N_("it is right after reversing {axis}"),
    N_("it is shifted by one along {axis}"),
    N_("it is shifted by {n} along {axis}"),
    N_("it is right after a softmax along {axis}"),
    N_("it is the softmax of the right answer along {axis}"),
    N_("it is the log_softmax of the right answer along {axis}"),
    N_("it sums to 1 along axis {n1}, the right answer does so along axis {n2}"),
    N_("it is right after {raw} of every value: is that missing?"),
    N_("it is right after {raw} of every value"),
    N_("it is {raw} of the right answer: is that one too many?"),
    N_("the right values stand in another order along {axis}"),
    N_("the right values stand in other places: was an axis to be moved (permute, transpose), not reshaped?"),
    N_("every value is off by the same amount"),
    N_("the error is the same in every row, as if a bias were missing or added twice"),
    N_("all values are right up to one factor (close to 1) and one amount"),
    N_("all values are right up to one factor (about {figure}) and one amount"),
    N_("all rows are right up to one factor (close to 1) of what comes before a bias is added"),
    N_("all rows are right up to one factor (about {figure}) of what comes before a bias is added"),
    N_("every row of the last axis is off by an amount of its own"),
    N_("every row of the last axis is right up to a factor of its own, as if it were not normalised"),
    N_("every row of the last axis is right up to a factor and an amount of its own, as if a norm were missing"),
    N_("every place of the last axis is right up to a factor of its own, the same in all rows"),
    N_("every place of the last axis is right up to a factor and an amount of its own, the same in all rows"),
    N_("your answer is the same all along {axis}, the right one is not"),
    N_("your answer is 0 in all of these places"),
    N_("0 is expected in all of these places"),
    N_("all differences lie above the diagonal of the last two axes"),
    N_("all differences lie below the diagonal of the last two axes"),
    N_("the differences fill the ends of the rows, from different positions on: look at the padding"),
    N_("{place1} and {place2}"),
    N_("only index {n} is right along {axis}"),
    N_("only index {n} differs along {axis}"),
    N_("only indices >= {n} differ along {axis}"),
    N_("only indices <= {n} differ along {axis}"),
    N_("only indices {list} differ along {axis}"),
    N_("{n1} of {n2} indices differ along {axis}"),
    N_("axis {n} (the batch, if it comes first)"),
    N_("axis {n} (time, if the batch comes first)"),
    N_("axis {n}"),
    # --- gradients
    N_("the gradient of {name} is NaN or infinite, first at {index}"),
    N_(
        "the gradient of {name} is zero: something cuts the graph (detach, .data, torch.tensor(...), "
        "a parameter that is not used)"
    ),
    N_("the gradient of {name} should be zero and is not: the answer must not depend on it"),
    N_("the gradient of {name} has the wrong sign, its size is right"),
    N_("the gradient of {name} is right up to one factor (close to 1)"),
    N_("the gradient of {name} is right up to one factor (about {figure})"),
    N_("the gradient of {name} is wrong: the largest error is about {figure} of its largest entry"),
    N_("the gradient of {name}: {words}"),
    N_("it is zero there, so something cuts the graph on the way"),
    N_("wrong as well: {raw}"),
    N_("expected the gradients of {n1} inputs, got {n2}"),
    # --- what kind of thing an answer is (checks/answers.py)
    N_("expected (outputs, state), got {thing}"),
    N_("expected {n} or more tensors, got {thing}"),
    N_("expected size {n1} along axis {n2} ({name}) of the answer, got {thing}"),
    N_("expected {thing1}, got {thing2} (is a return missing?)"),
    N_("expected {thing1}, got {thing2}: {words}"),
    N_("expected {thing1}, got {thing2}"),
    N_("torch.stack joins them, with dim={n}"),
    N_("the first one has the expected shape, return it alone"),
    N_("torch.tensor makes one of numbers, but no gradient flows through it"),
    N_("is that only the first one?"),
    N_("are the parentheses of a call missing?"),
    N_("stay in torch, where gradients flow"),
    N_("a function with `yield` gives its values one by one: collect them, and return a tensor"),
    N_("a map computes nothing yet: return a tensor"),
    N_("return a dense one"),
    N_("keep the dtype of the inputs"),
    N_("a tensor of shape {shape}"),
    N_("a tensor without numbers (device meta)"),
    N_("a tensor of {name}"),
    N_("a tuple of {n} tensors of shape {shape}"),
    N_("a list of {n} tensors of shape {shape}"),
    N_("a tuple of {n} tensors"),
    N_("a list of {n} tensors"),
    N_("a tuple of {n} ({raw})"),
    N_("a list of {n} ({raw})"),
    N_("a tuple of {n}"),
    N_("a list of {n}"),
    N_("an empty tuple"),
    N_("an empty list"),
    N_("a dict with {n} keys"),
    N_("an object of type {raw}"),
    N_("a sparse tensor"),
    N_("a bool"),
    N_("an int"),
    N_("a float"),
    N_("a string"),
    N_("True and False ({name})"),
    N_("whole numbers ({name})"),
    N_("real numbers ({name})"),
    N_("True and False"),
    N_("whole numbers"),
    N_("real numbers"),
    N_("not a number"),
    # --- properties
    N_("{words} (by about {figure} of its size)"),
    N_("the answer's shape changes from {shape1} to {shape2}"),
    N_("the answer is the same for every position along {axis} of the input: does it depend on the input?"),
    N_("the answer is the same for every {raw}: does it depend on the input?"),
    N_("{n1} tensors were passed in, after the call there are {n2}"),
    N_("the call changes {name} (shape {shape}) in place: make a new tensor instead"),
    N_("the answer for example {n} depends on the other examples of its batch"),
    N_("example {n} has another answer alone than in a batch"),
    N_("the answer at time {n1} changes when only the input after time {n2} changes: it looks into the future"),
    N_("the answer at time {n} does not change when the input at that time changes"),
    N_("the answer at time {n1} does not change when the input at times {n2} to {n3} changes"),
    N_("the answer for sentence {n1} (length {n2}) changes when only its padding changes"),
    N_("the answer for sentence {n1} (length {n2}) is another one alone than in a padded batch"),
    N_(
        "a run over {n1} steps and two runs (the first {n2} steps, then the rest from the returned state) "
        "give different outputs"
    ),
    N_(
        "a run over {n1} steps and two runs (the first {n2} steps, then the rest from the returned state) "
        "end in different states"
    ),
    N_("the state that is passed in changes nothing: where does the run start?"),
    N_("reordering the input along axis {n} does more than reorder the answer"),
    N_("the answer is the same in train mode and in eval mode"),
    N_("a call with valid arguments raises {name1}; only invalid ones should raise {name2}"),
    N_("invalid arguments should raise {name1}, but {name2} is raised"),
    N_("invalid arguments should raise {name}, but nothing is raised"),
    # --- training
    N_("{name} after one step of your loop: {words}"),
    N_("{name} after {n} steps of your loop: {words}"),
    N_("the losses of one step: {words}"),
    N_("the losses of {n} steps: {words}"),
    N_("the losses of the first {n} batches: {words}"),
    N_("after training, the model has no {name} any more"),
    N_("the losses that your loop returns still hold their graphs: return numbers"),
    N_("after training, the {thing} of your weights is {figure1}; {figure2} or less shows that the model learned"),
    N_("held-out loss"),
    # --- what is there, and what it does
    N_("the parameters of {raw} are not the ones that the handout names:"),
    N_("  missing: {name} {shape}"),
    N_("  not in the handout: {name} {shape}"),
    N_("  not in the handout: {n} more"),
    N_("  {name}: expected shape {shape1}, got {shape2}"),
    N_("This part is not written yet."),
    N_("Something that this check asks for is not there: {raw}."),
    N_("It cannot be called as the handout says: {raw}. Keep its arguments, their names and order."),
    N_("{name} is not allowed in this check: {raw} (assignment.yml: bans)"),
    N_("Your code raised {name}. {words}"),
    N_("Your code raised {name}."),
    N_("Take breakpoint() out."),
    N_("Nobody answers input() when it is graded: take what you need as arguments."),
    N_("When it is graded, no other files lie beside your code."),
    N_("It calls itself without coming to an end."),
    N_("A function must return its answer, and not end the program."),
    N_("There is no screen when it is graded: leave windows out."),
    N_("In your loop the weights became nan or inf. It was ended there, since no further step mends that."),
    N_(
        "What makes them so: a logarithm or a root of 0, a division by 0, a softmax over nothing but -inf, gradients "
        "that are never cleared or clipped."
    ),
    N_("On a GPU this line fails: one of its tensors lies on the CPU."),
    N_("On a GPU this line fails: packing takes its lengths from the CPU, `lengths.cpu()`."),
    N_(
        "A new tensor belongs where its neighbours are: `device=x.device`, `x.new_zeros(...)`, `torch.zeros_like(x)`; "
        "a constant of a module belongs in a buffer."
    ),
    N_("Only what the handout names and Python's standard library can be imported."),
    N_("Other processes, folders and the network are closed to it when it is graded."),
    N_("There is None where this check needs a value (is a return missing?)."),
    N_("Your answer has more or fewer parts than this check needs (one tensor for a tuple, or the reverse?)."),
    N_("Your answer is not what this check can work with."),
    N_("Your code did not answer: {words}."),
    N_("it waited for something that never came"),
    N_("it used more than {figure} s of CPU time"),
    N_("it asked for more memory than it may use"),
    N_(
        "A loss that is kept keeps the graph that made it: append `loss.item()`, not `loss`. Whatever else is kept "
        "from step to step adds up, too."
    ),
    N_("the process was ended by {raw}"),
    N_("the process ended itself with exit code {n}; a submission must not exit"),
    N_("the process had already ended"),
    N_("Your code's answer cannot be read: {words}."),
    N_("Not run: it builds on {name1}, and {name2} did not pass. Mend that first."),
    N_("Not run: it builds on {name}, and a check that is not shown yet did not pass. Mend that first."),
    N_("Not measured: {raw}, on which it builds, could not be measured yet."),
    N_("The grader failed; a human will look."),
    N_("could not be graded: {raw}; a human will look at it"),
    # --- the whole file
    N_(
        "{name} cannot be imported: {raw}. What stands outside of functions runs for every check: put training, tests "
        'and plots under `if __name__ == "__main__":`.'
    ),
    N_(
        "{name1} cannot be imported: {raw}. No check can run before Python can read it: run `python {name2}` and mend "
        "the line that it names."
    ),
    N_("{name} cannot be imported: {raw}. No check can run before that."),
    N_(
        "{name} cannot be imported: {raw}. It stands outside of functions, and so runs for every check: put it under "
        '`if __name__ == "__main__":`.'
    ),
    N_("{name1} cannot be imported: {raw}. No check can run before `python {name2}` runs without an exception."),
    # --- notes on what was handed in
    N_("the score is provisional: 1 check worth {n} points could not be graded yet"),
    N_("the score is provisional: {n1} checks worth {n2} points could not be graded yet"),
    N_("{raw} was not read, since {name} is there"),
    N_("{raw} was taken as {name}"),
    N_("{raw} was read as {name}: the code of its cells"),
    N_("{raw} was opened"),
    N_("{name} is missing"),
    N_("{raw} was ignored: not asked for"),
    N_("{raw} were ignored: not asked for"),
    N_("{name} is empty; hand in the file with your code"),
    # --- pictures
    N_("yours"),
    N_("expected"),
    N_("where they differ"),
    N_("step"),
    N_("norm of the gradient"),
    N_("gradient of {raw}"),
    *OF_MARKS,
    *AT_HOME,
)
