"""Every route to a banned operator is tried in two forked children: it works, and with the bans it does not."""

from __future__ import annotations

import copy
import gc
import importlib
import json
import os
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torch.onnx.ops
from torch import Tensor, nn
from torch._C import DispatchKey, DispatchKeySet
from torch._dispatch.python import enable_python_dispatcher
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.errors import ConfigurationError, SandboxError
from autograder.sandbox import bans
from autograder.sandbox.ban_groups import GROUPS, Group
from autograder.sandbox.ban_plan import UnknownBan, prepare
from autograder.sandbox.bans import Bans, install

torch.autograd.backward(torch.ones((), requires_grad=True))
"""The first backward pass opens what devices there are; after a test with a made-up one no fork could compute."""

Route = Callable[[], Any]
ROUTES: dict[str, tuple[str, Route]] = {}
UNDOING: dict[str, Route] = {}
ALLOWED: dict[str, Route] = {}


def forked(action: Callable[[], Any]) -> dict[str, Any]:
    """What the action returns or raises in a child process, which keeps this process's dispatcher clean."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)  # a child that hangs is a failure, not a test that never ends
            torch.set_num_threads(1)  # OpenMP's threads do not survive a fork
            warnings.simplefilter("ignore")  # torch.jit is deprecated, and one of the routes
            answer = {"value": action()}
        except BaseException as error:  # noqa: BLE001 - the child must never return into pytest
            answer = {"error": type(error).__name__, "message": str(error)}
        os.write(write, json.dumps(answer, default=lambda value: type(value).__name__).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = json.loads(pipe.read() or '{"error": "died", "message": "died"}')
    os.waitpid(pid, 0)
    return answer


def tried(route: Route, *names: str) -> dict[str, Any]:
    """The outcome of a route in a child in which `names` are banned, with what was refused.

    A child that crashed has gained nothing: from Python 3.12 on some routes end the interpreter.
    """

    def attempt() -> dict[str, Any]:
        banned = install(names)
        try:
            answer = {"value": route()}
        except BaseException as error:  # noqa: BLE001 - whatever a route raises is its outcome
            answer = {"error": type(error).__name__, "message": str(error)}
        return {**answer, "refused": banned.refused()}

    outcome = forked(attempt)
    assert "value" in outcome or outcome["error"] == "died", outcome
    return outcome.get("value", outcome)


def route(group: str) -> Callable[[Route], Route]:
    """Enter a function into the table of routes to what the group bans."""

    def enter(function: Route) -> Route:
        ROUTES[f"{group}-{function.__name__}"] = (group, function)
        return function

    return enter


def undoing(function: Route) -> Route:
    """Enter a function into the table of attempts to lift the ban of `recurrent`."""
    UNDOING[function.__name__] = function
    return function


def allowed(function: Route) -> Route:
    """Enter a function into the table of what must go on working."""
    ALLOWED[function.__name__] = function
    return function


SOURCE = torch.Generator().manual_seed(7)
X, H = torch.randn(2, 5, 3, generator=SOURCE), torch.randn(2, 4, generator=SOURCE)
Q, TOKENS = torch.randn(2, 4, 5, 8, generator=SOURCE), torch.randn(2, 5, 8, generator=SOURCE)
RNN, CELL = nn.RNN(3, 4, batch_first=True), nn.RNNCell(3, 4)
ATTENTION = nn.MultiheadAttention(8, 2, batch_first=True)
LAYER = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
W = tuple(CELL.parameters())
STEP = (X[:, 0], H, *W)
ALL = (X, torch.zeros(1, 2, 4), tuple(RNN.parameters()), True, 1, 0.0, False, False, True)
OP, ALIAS = torch.ops.aten.rnn_tanh_cell, torch.rnn_tanh_cell

# ----- routes to the recurrent operators ---------------------------------------------------------------------------

for _name, _route in {
    "module": lambda: RNN(X),
    "cell_module": lambda: CELL(X[:, 0], H),
    "function": lambda: torch.rnn_tanh(*ALL),
    "relu": lambda: torch.rnn_relu(*ALL),
    "alias": lambda: ALIAS(*STEP),
    "by_importlib": lambda: importlib.import_module("torch").rnn_tanh_cell(*STEP),
    "by_getattr": lambda: getattr(torch, "rnn_" + "tanh_cell")(*STEP),
    "vf": lambda: torch._VF.rnn_tanh(*ALL),
    "variable_functions": lambda: torch._C._VariableFunctions.rnn_tanh_cell(*STEP),
    "packet": lambda: OP(*STEP),
    "overload": lambda: torch.ops.aten.rnn_tanh.input(*ALL),
    "default": lambda: OP.default(*STEP),
    "decompose": lambda: OP.default.decompose(*STEP),
    "op_dk_composite": lambda: OP.default._op_dk(DispatchKey.CompositeImplicitAutograd, *STEP),
    "op_dk_autograd": lambda: OP.default._op_dk(DispatchKey.AutogradCPU, *STEP),
    "jit_operation": lambda: torch._C._jit_get_operation("aten::rnn_tanh_cell")[0](*STEP),
    "operation_overload": lambda: torch._C._get_operation_overload("aten::rnn_tanh_cell", "")[0](*STEP),
    "boxed": lambda: torch._C._dispatch_call_boxed(
        torch._C._dispatch_find_schema_or_throw("aten::rnn_tanh_cell", ""), *STEP),
    "get_kernel": lambda: torch.library.get_kernel("aten::rnn_tanh_cell", "CPU").call_boxed(
        DispatchKeySet(DispatchKey.CPU), *STEP),
    "script": lambda: torch.jit.script(CELL)(X[:, 0], H),
    "trace": lambda: torch.jit.trace(RNN, X)(X),
    "frozen": lambda: torch.jit.freeze(torch.jit.script(copy.deepcopy(CELL).eval()))(X[:, 0], H),
    "static_runtime": lambda: torch._C._jit_to_static_module(
        torch.jit.freeze(torch.jit.script(copy.deepcopy(CELL).eval()))._c)(X[:, 0], H),
    "vmap": lambda: torch.func.vmap(lambda x: torch.rnn_tanh_cell(x[None], H[:1], *W))(X[:, 0]),
    "grad": lambda: torch.func.grad(lambda h: CELL(X[:, 0], h).sum())(H),
    "jvp": lambda: torch.func.jvp(lambda h: CELL(X[:, 0], h), (H,), (H,)),
    "functionalize": lambda: torch.func.functionalize(torch.rnn_tanh_cell)(*STEP),
    "functional_call": lambda: torch.func.functional_call(RNN, dict(RNN.named_parameters()), (X,)),
    "subclass_of_tensor": lambda: RNN(X.as_subclass(type("Mine", (Tensor,), {}))),
    "subclass_of_module": lambda: type("Mine", (nn.RNN,), {})(3, 4, batch_first=True)(X),
    "onednn_layout": lambda: torch.rnn_tanh_cell(X[:, 0].contiguous().to_mkldnn(), H.to_mkldnn(), *W),
    "packed": lambda: RNN(nn.utils.rnn.pack_padded_sequence(X, torch.tensor([5, 3]), batch_first=True)),
    "float64": lambda: nn.RNN(3, 4, dtype=torch.float64)(X.double()),
    "lstm": lambda: nn.LSTM(3, 4)(X),
    "lstm_cell": lambda: nn.LSTMCell(3, 4)(X[:, 0]),
    "gru": lambda: nn.GRU(3, 4)(X),
    "gru_cell": lambda: nn.GRUCell(3, 4)(X[:, 0]),
    "bidirectional": lambda: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)(X),
    "onednn_layer": lambda: torch.mkldnn_rnn_layer(
        X.transpose(0, 1).contiguous(), *(torch.zeros(16, n) for n in (3, 4)), torch.zeros(16), torch.zeros(16),
        torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), False, [], 2, 4, 1, True, False, False, False),
    "quantizable": lambda: torch.ao.nn.quantizable.LSTM(3, 4)(X),
    "quantizable_cell": lambda: torch.ao.nn.quantizable.LSTMCell(3, 4)(X[:, 0]),
    "quantized_dynamic": lambda: torch.ao.nn.quantized.dynamic.RNNCell(3, 4)(X[:, 0]),
    "quantized_reference": lambda: torch.ao.nn.quantized.reference.RNNCell(3, 4)(X[:, 0]),
    "decomposition": lambda: torch._decomp.decomposition_table[torch.ops.aten.rnn_tanh.input](*ALL),
    "decomposition_part": lambda: torch._decomp.decompositions.rnn_cell(torch.tanh) and 0.0,
    "make_fx": lambda: torch.fx.experimental.proxy_tensor.make_fx(lambda x: CELL(x, H))(X[:, 0])(X[:, 0]),
}.items():  # fmt: skip
    ROUTES[f"recurrent-{_name}"] = ("recurrent", _route)

for _context in (
    torch.no_grad, torch.inference_mode, torch._C.DisableTorchFunction, torch._C.DisableTorchFunctionSubclass,
    torch._C._AutoDispatchBelowAutograd, torch._C._AutoDispatchBelowADInplaceOrView, enable_python_dispatcher,
):  # fmt: skip

    def _within(context: Callable[[], Any] = _context) -> Any:
        with context():
            return RNN(X)

    ROUTES[f"recurrent-within_{_context.__name__}"] = ("recurrent", _within)

for _key in ("CPU", "AutogradCPU", "AutogradOther", "Undefined", "Meta", "Functionalize", "Conjugate"):
    ROUTES[f"recurrent-redispatch_{_key}"] = (
        "recurrent",
        lambda key=_key: OP.default.redispatch(DispatchKeySet(getattr(DispatchKey, key)), *STEP),
    )


@route("recurrent")
def dispatch_mode() -> Any:
    """A mode that decomposes whatever it sees."""

    class Decomposing(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func.decompose(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {})) if result is NotImplemented else result

    with Decomposing():
        return OP(*STEP)


@route("recurrent")
def function_mode() -> Any:
    """A mode that calls what it intercepts."""

    class Passing(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    with Passing():
        return RNN(X)


@route("recurrent")
def thread() -> Any:
    """Another thread."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(RNN(X))
        except RuntimeError as error:
            found.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


@route("recurrent")
def compiled() -> Any:
    """torch.compile as the sandbox has it."""
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    return torch.compile(CELL, backend="eager")(X[:, 0], H)


# ----- routes to the other groups ----------------------------------------------------------------------------------

_IN, _IN_BIAS, _OUT = ATTENTION.in_proj_weight, ATTENTION.in_proj_bias, ATTENTION.out_proj
_FUSED = (LAYER.norm1.weight, LAYER.norm1.bias, LAYER.norm2.weight, LAYER.norm2.bias, LAYER.linear1.weight,
          LAYER.linear1.bias, LAYER.linear2.weight, LAYER.linear2.bias)  # fmt: skip
ONE = nn.Parameter(torch.ones(3))
ONE.grad = torch.ones(3)
for _name, _route in {
    "attention-function": lambda: F.scaled_dot_product_attention(Q, Q, Q),
    "attention-math": lambda: torch.ops.aten._scaled_dot_product_attention_math(Q, Q, Q),
    "attention-flash": lambda: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(Q, Q, Q),
    "attention-module": lambda: ATTENTION(TOKENS, TOKENS, TOKENS),
    "attention-with_weights": lambda: F.multi_head_attention_forward(
        TOKENS, TOKENS, TOKENS, 8, 2, _IN, _IN_BIAS, None, None, False, 0.0, _OUT.weight, _OUT.bias),
    "attention-its_code": lambda: FunctionType(
        F.multi_head_attention_forward.__code__, vars(F), "mine", F.multi_head_attention_forward.__defaults__)(
        TOKENS, TOKENS, TOKENS, 8, 2, _IN, _IN_BIAS, None, None, False, 0.0, _OUT.weight, _OUT.bias),
    "attention-fast_path": lambda: torch._native_multi_head_attention(
        TOKENS, TOKENS, TOKENS, 8, 2, _IN, _IN_BIAS, _OUT.weight, _OUT.bias),
    "attention-super_forward": lambda: type(
        "Mine", (nn.MultiheadAttention,), {"forward": lambda self, x: nn.MultiheadAttention.forward(self, x, x, x)}
    )(8, 2)(TOKENS),
    "attention-layer": lambda: LAYER(TOKENS),
    "attention-layer_fast_path": lambda: copy.deepcopy(LAYER).eval().requires_grad_(False)(TOKENS),
    "attention-layer_operator": lambda: torch._transformer_encoder_layer_fwd(
        TOKENS, 8, 2, _IN, _IN_BIAS, _OUT.weight, _OUT.bias, False, False, 1e-5, *_FUSED),
    "attention-layer_block": lambda: LAYER._sa_block(TOKENS, None, None),
    "attention-decoder_layer": lambda: nn.TransformerDecoderLayer(8, 2, 16)(TOKENS, TOKENS),
    "attention-transformer": lambda: nn.Transformer(8, 2, 1, 1, 16)(TOKENS, TOKENS),
    "attention-quantizable": lambda: torch.ao.nn.quantizable.MultiheadAttention(8, 2)(TOKENS, TOKENS, TOKENS),
    "attention-flex": lambda: torch._higher_order_ops.flex_attention(
        Q, Q, Q, lambda score, *_: score, (5, 5, *(torch.zeros(1, 1, 1, dtype=torch.int32),) * 8, 5, 5,
                                           lambda b, h, q, k: q.new_ones((), dtype=torch.bool)), 1.0, {}),
    "attention-onnx": lambda: torch.onnx.ops.attention(Q, Q, Q, softmax_precision=1),
    "attention-vmap": lambda: torch.func.vmap(F.scaled_dot_product_attention)(Q, Q, Q),
    "attention-trace": lambda: torch.jit.trace(ATTENTION, (TOKENS, TOKENS, TOKENS))(TOKENS, TOKENS, TOKENS),
    "softmax-function": lambda: torch.softmax(TOKENS, -1),
    "softmax-method": lambda: TOKENS.softmax(-1),
    "softmax-module": lambda: nn.Softmax(-1)(TOKENS),
    "softmax-special": lambda: torch.special.softmax(TOKENS, -1),
    "softmax-kernel": lambda: torch._softmax(TOKENS, -1, False),
    "softmax-safe": lambda: torch.ops.aten._safe_softmax(TOKENS, -1),
    "softmax-masked": lambda: torch.ops.aten._masked_softmax(TOKENS, TOKENS > 9, -1),
    "softmax-out": lambda: torch.softmax(TOKENS, -1, out=torch.empty(2, 5, 8)),
    "softmax-of_log": lambda: TOKENS.log_softmax(-1).exp(),
    "softmax-sparse": lambda: torch.sparse.softmax(TOKENS.to_sparse(), -1),
    "softmax-distribution": lambda: torch.distributions.Categorical(logits=TOKENS).probs,
    "softmax-by_attention": lambda: F.scaled_dot_product_attention(TOKENS, *(torch.eye(8).expand(2, 8, 8),) * 2),
    "softmax-reference": lambda: torch._refs.softmax(TOKENS, -1),
    "softmax-reference_nn": lambda: torch._refs.nn.functional.softmax(TOKENS, -1),
    "softmax-decomposition": lambda: torch._decomp.decompositions._softmax(TOKENS, -1, False),
    "layer_norm-module": lambda: nn.LayerNorm(8)(TOKENS),
    "layer_norm-native": lambda: torch.native_layer_norm(TOKENS, (8,), None, None, 1e-5),
    "layer_norm-by_group": lambda: F.group_norm(TOKENS.flatten(0, 1), 1),
    "layer_norm-by_instance": lambda: F.instance_norm(TOKENS),
    "layer_norm-by_batch": lambda: F.batch_norm(TOKENS.flatten(0, 1).T, None, None, training=True),
    "layer_norm-by_rms": lambda: F.rms_norm(TOKENS - TOKENS.mean(-1, keepdim=True), (8,)),
    "layer_norm-reference": lambda: torch._refs.native_layer_norm(TOKENS, (8,), None, None, 1e-5),
    "layer_norm-static_runtime": lambda: torch._C._jit_to_static_module(
        torch.jit.freeze(torch.jit.script(nn.LayerNorm(8).eval()))._c)(TOKENS),
    "gelu-function": lambda: F.gelu(TOKENS),
    "gelu-module": lambda: nn.GELU()(TOKENS),
    "softmax-transform": lambda: torch.distributions.SoftmaxTransform()(TOKENS),
    "layer_norm-normalize": lambda: torch._refs._normalize(TOKENS, (2,), 1e-5),
    "gelu-onednn": lambda: torch.ops.mkldnn._linear_pointwise(TOKENS[0], torch.eye(8), None, "gelu", [None], "none"),
    "one_hot-function": lambda: F.one_hot(torch.arange(3)),
    "cross_entropy-function": lambda: F.cross_entropy(TOKENS[0], torch.arange(5)),
    "cross_entropy-module": lambda: nn.CrossEntropyLoss(ignore_index=0)(TOKENS[0], torch.arange(5)),
    "cross_entropy-nll": lambda: F.nll_loss(TOKENS[0], torch.arange(5)),
    "embedding-module": lambda: nn.Embedding(4, 3)(torch.arange(3)),
    "embedding-bag": lambda: nn.EmbeddingBag(4, 3)(torch.arange(3)[None]),
    "patches-unfold": lambda: F.unfold(torch.zeros(1, 3, 8, 8), 4, stride=4),
    "patches-pixel_unshuffle": lambda: nn.PixelUnshuffle(4)(torch.zeros(1, 3, 8, 8)),
    "clip_grad-norm": lambda: nn.utils.clip_grad_norm_([ONE], 1.0),
    "clip_grad-innermost": lambda: nn.utils.clip_grad.clip_grad_norm_.__wrapped__([ONE], 1.0),
    "clip_grad-value": lambda: nn.utils.clip_grad_value_([ONE], 1.0),
    "clip_grad-total": lambda: nn.utils.get_total_norm([torch.ones(3)]),
    "optimizers-class": lambda: torch.optim.AdamW([ONE]) and 0.0,
    "autograd_functional-jacobian": lambda: torch.autograd.functional.jacobian(torch.sin, torch.ones(2)),
    "autograd_functional-grad": lambda: torch.func.grad(torch.sin)(torch.tensor(1.0)),
    "autograd_functional-vjp": lambda: torch.func.vjp(torch.sin, torch.ones(2))[0],
    "autograd_functional-jacrev": lambda: torch.func.jacrev(torch.sin)(torch.ones(2)),
    "autograd-backward": lambda: ONE.sum().backward(),
    "autograd-grad": lambda: torch.autograd.grad(ONE.sum(), ONE),
    "autograd-operator": lambda: torch.ops.aten._backward(ONE.sum(), [ONE]),
}.items():  # fmt: skip
    ROUTES[_name] = (_name.partition("-")[0], _route)


@route("layer_norm")
def onednn_graph() -> Any:
    """TorchScript moves a layer norm between convolutions to a oneDNN kernel that is no operator."""
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LayerNorm(6), nn.Conv2d(8, 8, 3)).eval()
    frozen = torch.jit.freeze(torch.jit.script(layers))
    torch._C._jit_pass_convert_frozen_ops_to_mkldnn(frozen.graph)
    return frozen(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(("group", "way"), ROUTES.values(), ids=ROUTES)
def test_route_works_without_and_not_with_the_ban(group: str, way: Route) -> None:
    """A route that leads to a result leads to BannedCall once its group is banned, and is remembered."""
    assert "error" not in forked(way)
    outcome = tried(way, group)
    assert "value" not in outcome
    assert "BannedCall" in outcome["error"] or "is not allowed in this check" in outcome["message"]
    assert outcome["refused"]


@pytest.mark.parametrize("layer", [ATTENTION, LAYER])
def test_scripting_a_banned_layer_fails(layer: nn.Module) -> None:
    """TorchScript compiles the text of Python functions: of a banned one it finds none that it could use."""
    assert "value" not in tried(lambda: torch.jit.script(layer), "attention")


# ----- attempts to undo ----------------------------------------------------------------------------------------------


@undoing
def own_kernel_on_top() -> None:
    """Registering and destroying a kernel of one's own."""
    for key in ("CPU", "AutogradCPU", "CompositeImplicitAutograd"):
        library = torch.library.Library("aten", "IMPL")
        library.impl("rnn_tanh_cell", OP.default.decompose, key)
        library._destroy()


@undoing
def fall_through() -> None:
    """Asking the dispatcher to skip every key."""
    library = torch.library.Library("aten", "IMPL")
    for key in ("CPU", "AutogradCPU", "CompositeImplicitAutograd"):
        library.impl("rnn_tanh_cell", torch.library.fallthrough_kernel, key)
    globals()["kept"] = library


@undoing
def reset_what_is_found() -> None:
    """Searching every object and what it refers to for library objects."""
    for holder in gc.get_objects():
        for found in [holder, *gc.get_referents(holder)]:
            if type(found).__name__ == "_DispatchModule":
                found.reset()
            elif type(found) is torch.library.Library:
                found._destroy()


@undoing
def reset_a_new_one() -> None:
    """Resetting another library object for the same namespace."""
    torch._C._dispatch_library("IMPL", "aten", "").reset()


@undoing
def clear_the_books() -> None:
    """Forgetting what Python knows about registered kernels."""
    torch.library._impls.clear()
    torch.library._defs.clear()
    torch._library.simple_registry.singleton._data.clear()


@undoing
def flip_the_switch() -> None:
    """Pretending that the bans were never sealed, and lifting them."""
    for found in gc.get_objects():
        if type(found) is Bans:
            found._sealed = False
            found.lift()


@undoing
def own_bans() -> None:
    """Installing bans with a switch on top, and lifting those."""
    install(["recurrent"], switchable=True).lift()


@undoing
def another_exception() -> None:
    """Making the refusal raise something harmless."""
    bans.BannedCall = Exception  # type: ignore[misc, assignment]


@undoing
def another_kernel_body() -> None:
    """Giving our kernels a body that does nothing."""
    one = two = None

    def nothing(*_args: object, **_kwargs: object) -> object:
        return one, two  # a closure of the same size as that of the kernel

    for found in gc.get_objects():
        if type(found) is FunctionType and found.__qualname__ == "Bans._refusal.<locals>.refuse":
            found.__code__ = nothing.__code__.replace(co_freevars=found.__code__.co_freevars)


@undoing
def fresh_torch() -> None:
    """Loading the module that holds torch's functions again."""
    importlib.reload(torch._VF)
    importlib.reload(torch.nn.modules.rnn)


@pytest.mark.parametrize("attempt", UNDOING.values(), ids=UNDOING)
def test_undoing_does_not_bring_the_operator_back(attempt: Route) -> None:
    """Whatever the submission tries, torch's result never comes back."""

    def then_call() -> Any:
        try:
            attempt()
        except Exception as error:
            if not isinstance(error, (AttributeError, RuntimeError)):
                raise
        return torch.equal(CELL(X[:, 0], H), torch.tanh(X[:, 0] @ W[0].T + W[2] + H @ W[1].T + W[3]))

    outcome = tried(then_call, "recurrent")
    assert "value" not in outcome, outcome


@pytest.mark.parametrize("attempt", [reset_what_is_found, flip_the_switch])
def test_the_searches_are_real(attempt: Route) -> None:
    """Against bans with a switch the searches succeed: what stops them above is the seal."""

    def search() -> list[bool]:
        banned = install(["recurrent"], switchable=True)
        attempt()
        return [CELL(X[:, 0], H).shape == (2, 4), not banned.refused()]

    assert forked(search).get("value") == [True, True]


# ----- what must go on working --------------------------------------------------------------------------------------


@allowed
def loop_and_gradient() -> Any:
    """The reference's own way to a recurrent network, with gradients."""
    h, weights = torch.zeros(2, 4), [w.detach().clone().requires_grad_() for w in W]
    for t in range(5):
        h = torch.tanh(X[:, t] @ weights[0].T + weights[2] + h @ weights[1].T + weights[3])
    h.square().sum().backward()
    return [w.grad.tolist() for w in weights if w.grad is not None]


@allowed
def own_attention() -> Any:
    """Attention from products and a softmax."""
    return (torch.softmax(Q @ Q.transpose(-1, -2) / 8**0.5, -1) @ Q).tolist()


@allowed
def training() -> Any:
    """Optimizers, clipping, losses and the usual layers."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.GELU(), nn.Dropout(0.1), nn.Linear(6, 3))
    for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
        optimizer = kind(model.parameters(), lr=0.01)
        loss = F.cross_entropy(model(TOKENS).flatten(0, 1), torch.arange(10) % 3)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return [parameter.tolist() for parameter in model.parameters()]


@allowed
def transforms() -> Any:
    """vmap, jvp and second derivatives of allowed operators."""

    def f(x: Tensor) -> Tensor:
        return F.layer_norm(torch.tanh(x), (3,)).sum()

    return [torch.func.vmap(torch.func.hessian(f))(X[:, 0]).tolist(), torch.func.jvp(f, (X[0],), (X[0],))[1].tolist()]


@allowed
def embedding_and_threads() -> Any:
    """Lookups, one-hot vectors, and the number of threads."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return [nn.Embedding(5, 3)(torch.arange(5)).tolist(), F.one_hot(torch.arange(3)).tolist()]


@pytest.mark.parametrize("work", ALLOWED.values(), ids=ALLOWED)
def test_allowed_code_gives_the_same_numbers(work: Route) -> None:
    """With RNNs and attention banned, everything else computes exactly what it did."""
    outcome = tried(work, "recurrent", "attention")
    assert outcome.get("value") == forked(work)["value"], outcome
    assert outcome["refused"] == []


# ----- the interface --------------------------------------------------------------------------------------------------


def test_message_says_what_and_what_instead() -> None:
    """The message names the function as students know it."""
    outcome = tried(lambda: torch.rnn_tanh_cell(*STEP), "rnn")
    assert outcome["error"] == "BannedCall"
    assert outcome["message"] == (
        "torch.rnn_tanh_cell is not allowed in this check: "
        "write it yourself with matrix products (assignment.yml: bans)"
    )
    assert "torch.nn.functional.cross_entropy " in tried(ROUTES["cross_entropy-module"][1], "cross_entropy")["message"]


def test_refused_remembers_swallowed_calls_once_and_in_order() -> None:
    """A submission that catches the exception is seen all the same."""

    def swallow() -> float:
        for call in (lambda: torch.gru_cell(*STEP), lambda: torch.rnn_tanh_cell(*STEP), lambda: torch.gru_cell(*STEP)):
            try:
                call()
            except RuntimeError:
                continue
        return 1.0

    outcome = tried(swallow, "recurrent")
    assert outcome["value"] == 1.0
    assert outcome["refused"] == ["torch.gru_cell", "torch.rnn_tanh_cell"]


@pytest.mark.parametrize("name", ["softmax.int", "aten::softmax", "aten::softmax.int", "torch.softmax", "relu"])
def test_single_operator_can_be_banned(name: str) -> None:
    """An operator's name stands for all its overloads, with its overload for one, with or without namespace."""
    base = name.removeprefix("aten::").removeprefix("torch.").removesuffix(".int")
    outcome = tried(lambda: getattr(torch, base)(TOKENS, *([-1] if base == "softmax" else [])), name)
    assert outcome["refused"] == [f"torch.{base}"]
    assert "value" in tried(lambda: TOKENS.log_softmax(-1), name)


def test_unknown_name_is_an_error_with_the_nearest_name() -> None:
    """A misspelt name is the course's mistake and says what may have been meant."""
    with pytest.raises(UnknownBan, match="did you mean 'recurrent'") as caught:
        prepare(["recurent"])
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ConfigurationError)
    with pytest.raises(ValueError, match="did you mean 'rnn_tanh_cell'"):
        install(["aten::rnn_tanh_cel"])


@pytest.mark.parametrize("name", GROUPS)
def test_group_finds_something_here_and_everything_it_finds_exists(name: str) -> None:
    """Groups name only what this torch has, with at least one kernel each."""
    plan = prepare([name])
    assert plan.operators or plan.functions
    known = set(torch._C._dispatch_get_all_op_names())
    assert all(operator.name in known for operator in plan.operators)
    assert not any(operator.name.endswith("backward") for operator in plan.operators if name != "autograd")


def test_groups_are_frozen() -> None:
    """No caller can widen or empty a group for the others."""
    with pytest.raises(TypeError):
        GROUPS["rnn"] = Group()  # type: ignore[index]


def test_a_plan_is_made_once_and_applied_in_many_children() -> None:
    """What the zygote prepares, each child applies; the parent is untouched."""
    plan = prepare(["recurrent"])
    for _ in range(2):
        assert forked(lambda: install(plan) and CELL(X[:, 0], H))["error"] == "BannedCall"
    assert CELL(X[:, 0], H).shape == (2, 4)


def test_switch_is_exact_at_home() -> None:
    """Outside `enforced` torch is itself: the same kernels, the same code, the same numbers; inside it refuses."""

    def at_home() -> list[bool]:
        code, expected = F.multi_head_attention_forward.__code__, (RNN(X)[0], LAYER(TOKENS))
        table = torch._C._dispatch_dump_table("aten::rnn_tanh.input")
        banned = install(["recurrent", "attention", "softmax"], switchable=True)
        found = []
        for _ in range(3):
            with banned.enforced():
                found += [banned.active, F.multi_head_attention_forward.__code__ is not code]
                with pytest.raises(bans.BannedCall), banned.enforced():
                    RNN(X)
                with pytest.raises(bans.BannedCall):
                    LAYER(TOKENS)
            found += [not banned.active, F.multi_head_attention_forward.__code__ is code]
            found += [torch._C._dispatch_dump_table("aten::rnn_tanh.input") == table]
            found += [torch.equal(RNN(X)[0], expected[0]), torch.equal(LAYER(TOKENS), expected[1])]
        return found

    found = forked(at_home)
    assert found.get("value") == [True] * 21, found


def test_lifted_covers_only_the_named_operators() -> None:
    """Inside `lifted` the named operators work, the others stay refused; afterwards all are refused again."""

    def lift() -> list[str]:
        banned = install(["recurrent", "attention"], switchable=True)
        with banned.lifted("rnn_tanh_cell"):
            CELL(X[:, 0], H)
            with pytest.raises(bans.BannedCall):
                RNN(X)
        with banned.lifted():
            LAYER(TOKENS)
            RNN(X)
        with pytest.raises(bans.BannedCall):
            CELL(X[:, 0], H)
        return list(banned.refused())

    assert forked(lift).get("value") == ["torch.rnn_tanh", "torch.rnn_tanh_cell"]


def test_sealed_bans_have_no_switch() -> None:
    """What was sealed stays on: `lift` and `lifted` raise, `enforced` changes nothing when it ends."""

    def sealed() -> bool:
        banned = install(["recurrent"], switchable=True)
        banned.seal()
        with banned.enforced():
            pass
        with pytest.raises(SandboxError), banned.lifted():
            pass
        with pytest.raises(SandboxError):
            banned.lift()
        with pytest.raises(bans.BannedCall):
            CELL(X[:, 0], H)
        return banned.active and banned.sealed

    assert forked(sealed).get("value") is True


def lifted_with_all_means(banned: Bans, banned_call: Callable[[], object]) -> bool:
    """Whether a banned call runs after everything that its switch and its fields allow."""
    for fields in ({}, {"_sealed": False}, {"_open": banned._plan}):
        vars(banned).update(fields)
        with suppress(SandboxError):
            banned.lift()
        with suppress(Exception), banned.lifted():
            banned_call()
            return True
    return False


def test_a_switch_may_be_left_for_some_operators_alone() -> None:
    """What a stand-in calls can be switched as before; whoever finds the switch has these and no others."""

    def sealed_but_cells() -> list[bool]:
        banned = install(["recurrent", "attention"], switchable=True)
        banned.seal(but=["rnn_*_cell"])
        cell, layer = torch.nn.RNNCell(3, 4), torch.nn.RNN(3, 4)
        with pytest.raises(bans.BannedCall):
            cell(X[:, 0], H)
        with banned.lifted("rnn_tanh_cell"):
            cell(X[:, 0], H)
        with pytest.raises(bans.BannedCall):
            cell(X[:, 0], H)
        with banned.enforced():
            pass
        banned.enforce()
        free = banned.refuses(["gru*"]), banned.active, banned.sealed
        attention = torch.nn.MultiheadAttention(4, 2)
        calls = (lambda: cell(X[:, 0], H), lambda: layer(X), lambda: attention(H, H, H))
        return [*free, *(lifted_with_all_means(banned, call) for call in calls)]

    assert forked(sealed_but_cells).get("value") == [True, True, False, True, False, False]


def test_bans_are_handed_over_to_others() -> None:
    """The others are on, in full and alone, and sealed they stay so; what was refused before is known to them."""

    def hand_over() -> list[object]:
        after = install(["recurrent", "one_hot"], switchable=True)
        after.lift()
        before = install(["recurrent", "attention"], switchable=True)
        with pytest.raises(bans.BannedCall):
            RNN(X)
        before.hand_over(after)
        free = F.multi_head_attention_forward.__code__.co_name == "multi_head_attention_forward"
        after.seal()
        for call in (lambda: RNN(X), lambda: F.one_hot(torch.arange(3))):
            with pytest.raises(bans.BannedCall):
                call()
        return [before.active, free, after.sealed, list(after.refused())]

    assert forked(hand_over).get("value") == [False, True, True, ["torch.rnn_tanh", "torch.nn.functional.one_hot"]]


def test_sealed_code_is_not_found() -> None:
    """The code of banned Python functions stays alive, and no search of Python's objects leads to it."""

    def search() -> bool:
        install(["attention"])
        gc.unfreeze()
        seen: set[int] = set()
        waiting: list[object] = gc.get_objects()
        while waiting:
            found = waiting.pop()
            if id(found) in seen:
                continue
            seen.add(id(found))
            if isinstance(found, CodeType) and found.co_name == "multi_head_attention_forward":
                return False
            waiting += gc.get_referents(found)
        return True

    assert forked(search).get("value") is True
