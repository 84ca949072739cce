"""What the names in `bans:` stand for; `bans.py` refuses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Group:
    """What one name in `bans:` stands for.

    `operators` are globs over operators' names without namespace and overload (backward kernels are never meant: they
    are of use only to who was let forward). `functions` are "module:glob" over functions, and over classes, of which
    `forward` is meant or the method after a dot. `advice` ends the message.
    """

    operators: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    advice: str = "write it yourself"

    def __or__(self, other: Group) -> Group:
        """Both, with the advice of the left one."""
        return Group(self.operators + other.operators, self.functions + other.functions, self.advice)


DECOMPOSITIONS = "torch._decomp.decompositions"
EXECUTORS = ("torch._C:_*_to_static_module", "torch._C._nativert:PyModelRunner")  # have kernels of their own
_CELL = Group(("_cudnn_rnn", "miopen_rnn", "mkldnn_rnn_layer"), (), "write it yourself with matrix products")
_RNN = _CELL | Group(
    ("*rnn_tanh*", "*rnn_relu*"),
    (f"{DECOMPOSITIONS}:one_layer_rnn*", f"{DECOMPOSITIONS}:rnn_cell*", f"{DECOMPOSITIONS}:_rnn_helper"),
)
_LSTM = _CELL | Group(("*lstm*",), (f"{DECOMPOSITIONS}:*lstm*", "torch.ao.nn.quantizable.modules.rnn:*LSTM*"))
_GRU = _CELL | Group(("*gru*",), (f"{DECOMPOSITIONS}:*gru*",))
_ATTENTION = Group(
    ("*scaled_dot_product*", "*multi_head_attention*", "*_attention_forward*", "_transformer_encoder_layer_fwd",
     "_triton_scaled_dot_attention", "_varlen_attn*", "Attention"),
    ("torch.nn.functional:multi_head_attention_forward", "torch.nn.modules.activation:MultiheadAttention",
     "torch.nn.modules.transformer:Transformer*", "torch.ao.nn.quantizable.modules.activation:MultiheadAttention",
     "torch._higher_order_ops.flex_attention:*math_attention*", "torch._higher_order_ops.flex_attention:sdpa_dense",
     f"{DECOMPOSITIONS}:scaled_dot_product*", "torch.onnx.ops:attention", "torch.onnx.ops._impl:attention_[0-9]*"),
    "write it yourself with matrix products and a softmax",
)  # fmt: skip
_TRANSFORMS = "torch._functorch.eager_transforms"
_FUNCTIONAL = Group((), tuple(
    [f"torch.autograd.functional:{name}" for name in ("[jvh]?p", "*jac*", "hessian")]
    + [f"{_TRANSFORMS}:{name}" for name in ("[jv][vj]p", "_[jv][vj]p_with*", "jac*", "hessian", "grad*_impl")]
), "derive the gradient yourself")  # fmt: skip

GROUPS: Mapping[str, Group] = MappingProxyType({
    "rnn": _RNN,
    "lstm": _LSTM,
    "gru": _GRU,
    # what an assignment on cells wants: a GRU with r = 1 and z = 0 is an RNN
    "recurrent": _RNN | _LSTM | _GRU | Group(("*rnn*",)),
    "attention": _ATTENTION,
    # attention with the identity as values is a softmax
    "softmax": Group(
        ("*softmax*",), ("torch.distributions.transforms:SoftmaxTransform._call",), "write it yourself with torch.exp"
    ) | _ATTENTION,
    # all of these can be told to normalise the last axis; oneDNN tensors have a layer norm that is no operator
    "layer_norm": Group(
        ("*layer_norm*", "*group_norm*", "*instance_norm*", "*rms_norm*", "*batch_norm*", "*to_mkldnn*",
         "mkldnn_reorder*"), ("torch._refs:_normalize",), "write it yourself with a mean and a variance"),
    # oneDNN's layers run the activation that they are told to
    "gelu": Group(("gelu*", "*_pointwise*"), (), "write it yourself with torch.erf"),
    "cross_entropy": Group(
        ("cross_entropy*", "*linear_cross_entropy*", "nll_loss*"), ("torch.nn.functional:linear_cross_entropy",),
        "write it yourself with torch.log_softmax"),
    "embedding": Group(("embedding*", "_embedding_bag*"), (), "write it yourself with an index into the weights"),
    "one_hot": Group(("one_hot",), (), "write it yourself with scatter or a comparison"),
    "patches": Group(("im2col", "col2im", "pixel_*shuffle"), (), "write it yourself with reshape and permute"),
    "clip_grad": Group((), ("torch.nn.utils.clip_grad:*clip_grad*", "torch.nn.utils.clip_grad:*total_norm")),
    "optimizers": Group(
        ("_fused_*adam*", "_fused_sgd*", "_fused_adagrad*"),
        ("torch.optim.optimizer:Optimizer.__init__", "torch.optim.sgd:*sgd", "torch.optim.adam:*adam",
         "torch.optim.rmsprop:*rmsprop", "torch.optim.adagrad:*adagrad"), "update the parameters yourself"),
    "autograd_functional": _FUNCTIONAL,
    # for single checks: the judge's own gradients are refused, too
    "autograd": _FUNCTIONAL | Group(
        ("_backward",),
        ("torch.autograd:grad", "torch.autograd:backward", "torch.autograd.graph:_engine_run_backward")),
})  # fmt: skip
