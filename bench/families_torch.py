# SPDX-License-Identifier: MIT
"""PyTorch beside ffcl on a model of several steps and on one of iMF's form, random weights.

  families_torch.py weights --model sit|imf --out DIR [--hidden --depth --heads --size]
  families_torch.py run     --model sit|imf --out DIR [--mode tf32 --compile --batch 8 --steps 50]
                            [--dump FILE]

The architectures are those of willisma/SiT@947f95b and Lyy-iiis/imeanflow@0468798, written anew:
SiT by Euler steps with guidance of three channels, both halves of the batch in one pass; iMF in
one step.  weights writes DIR/MODEL.pt and the VAE that torch_baseline.py has; run times the
whole sampling with the VAE and, with --dump, writes what ffcl verify compares, in float64.
"""

import argparse, json, math, os
import torch, torch.nn as nn, torch.nn.functional as F
import torch_baseline as tb

PREFIX_TOKENS = (
    ('class_tokens', 8),
    ('omega_tokens', 4),
    ('t_min_tokens', 2),
    ('t_max_tokens', 2),
    ('time_tokens', 4),
)
SCALARS = ('h_embedder', 'omega_embedder', 'cfg_t_start_embedder', 'cfg_t_end_embedder')


class Linear(nn.Module):
    """Named as the published file has it."""

    def __init__(s, i, o, bias=True):
        super().__init__()
        s._flax_linear = nn.Linear(i, o, bias)

    def forward(s, x):
        return s._flax_linear(x)


class Rms(nn.Module):
    def __init__(s, d):
        super().__init__()
        s.weight = nn.Parameter(torch.ones(d))

    def forward(s, x):
        return (
            F.rms_norm(x, x.shape[-1:], s.weight, 1e-6)
            if hasattr(F, 'rms_norm')
            else x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * s.weight
        )


class ScalarEmbedder(nn.Module):
    def __init__(s, d):
        super().__init__()
        s.mlp = nn.ModuleList([Linear(256, d), nn.SiLU(), Linear(d, d)])

    def forward(s, t):
        a = t[:, None] * torch.exp(
            -math.log(10000) * torch.arange(128, device=t.device, dtype=t.dtype) / 128
        )
        x = torch.cat([a.cos(), a.sin()], -1)
        return s.mlp[2](s.mlp[1](s.mlp[0](x)))


def turn(x, cos, sin):
    """Pairs (2j, 2j+1) of x (B,H,T,Dh) by angles (T,Dh/2)."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


class ImfAttention(nn.Module):
    def __init__(s, d, h):
        super().__init__()
        s.h = h
        s.q_proj, s.k_proj, s.v_proj, s.out_proj = (Linear(d, d, False) for _ in range(4))
        s.q_norm, s.k_norm = Rms(d // h), Rms(d // h)

    def forward(s, x, cos, sin):
        q, k, v = (
            p(x).unflatten(-1, (s.h, -1)).transpose(1, 2) for p in (s.q_proj, s.k_proj, s.v_proj)
        )
        q, k = turn(s.q_norm(q), cos, sin).to(v.dtype), turn(s.k_norm(k), cos, sin).to(v.dtype)
        if hasattr(F, 'scaled_dot_product_attention'):
            x = F.scaled_dot_product_attention(q, k, v)
        else:
            x = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1) @ v
        return s.out_proj(x.transpose(1, 2).flatten(2))


class ImfMlp(nn.Module):
    def __init__(s, d):
        super().__init__()
        f = int(d * 8 / 3)
        s.w1, s.w3, s.w2 = Linear(d, f, False), Linear(d, f, False), Linear(f, d, False)

    def forward(s, x):
        return s.w2(F.silu(s.w1(x)) * s.w3(x))


class ImfBlock(nn.Module):
    def __init__(s, d, h):
        super().__init__()
        s.norm1, s.norm2, s.attn, s.mlp = Rms(d), Rms(d), ImfAttention(d, h), ImfMlp(d)
        s.attn_scale, s.mlp_scale = nn.Parameter(torch.ones(d)), nn.Parameter(torch.ones(d))

    def forward(s, x, cos, sin):
        x = x + s.attn(s.norm1(x), cos, sin) * s.attn_scale
        return x + s.mlp(s.norm2(x)) * s.mlp_scale


class FinalLayer(nn.Module):
    def __init__(s, d, n):
        super().__init__()
        s.norm, s.linear = Rms(d), Linear(d, n)

    def forward(s, x):
        return s.linear(s.norm(x))


class Table(nn.Module):
    def __init__(s, n, d):
        super().__init__()
        s._flax_embedding = nn.Embedding(n, d)

    def forward(s, y):
        return s._flax_embedding(y)


class Labels(nn.Module):
    def __init__(s, n, d):
        super().__init__()
        s.embedding_table = Table(n, d)


class Imf(nn.Module):
    """z (B,4,R,R), h = t0 - t1, omega, t_min, t_max (B,), y (B,) -> u (B,4,R,R)."""

    def __init__(s, R, d, depth, heads):
        super().__init__()
        s.g, s.p, s.c = R // 2, 2, 4
        for name, n in PREFIX_TOKENS:
            setattr(s, name, nn.Parameter(torch.zeros(n, d)))
        for name in SCALARS:
            setattr(s, name, ScalarEmbedder(d))
        s.x_embedder, s.y_embedder = tb.PatchEmbed(2, 4, d), Labels(1001, d)
        last = min(8, depth // 2)
        s.shared_blocks = nn.ModuleList(ImfBlock(d, heads) for _ in range(depth - last))
        s.u_heads = nn.ModuleList(ImfBlock(d, heads) for _ in range(last))
        s.u_final_layer = FinalLayer(d, 16)
        T, n = s.g * s.g + 20, d // heads // 2
        angle = torch.arange(T, dtype=torch.float64)[:, None] * 10000.0 ** (
            -torch.arange(n, dtype=torch.float64) / n
        )
        s.register_buffer('cos', angle.cos(), False)
        s.register_buffer('sin', angle.sin(), False)

    def forward(s, z, h, omega, t_min, t_max, y):
        B = z.shape[0]
        e = (
            s.y_embedder.embedding_table(y),
            s.omega_embedder(1 - 1 / omega),
            s.cfg_t_start_embedder(t_min),
            s.cfg_t_end_embedder(t_max),
            s.h_embedder(h),
        )
        x = torch.cat(
            [getattr(s, name) + v[:, None] for (name, _), v in zip(PREFIX_TOKENS, e)]
            + [s.x_embedder.proj(z).flatten(2).transpose(1, 2)],
            1,
        )
        for b in s.shared_blocks:
            x = b(x, s.cos, s.sin)
        for b in s.u_heads:
            x = b(x, s.cos, s.sin)
        x = s.u_final_layer(x)[:, 20:].reshape(B, s.g, s.g, 2, 2, 4)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(B, 4, 2 * s.g, 2 * s.g)


def make(a):
    R = a.size // 8
    return (
        tb.SiT(R, 2, 4, 8, a.hidden, a.depth, a.heads, 1001, False)
        if a.model == 'sit'
        else Imf(R, a.hidden, a.depth, a.heads)
    )


def fill(m, dev):
    g = torch.Generator(dev).manual_seed(0)
    m.to(dev)
    for n, p in m.named_parameters():
        if n == 'pos_embed':
            continue
        is_matrix = p.dim() > 1 and 'tokens' not in n
        p.data.copy_(
            torch.randn(p.shape, generator=g, device=dev)
            * ((p[0].numel() ** -0.5 * (0.5 if 'adaLN' in n else 1.0)) if is_matrix else 0.02)
        )
        if n.endswith('norm.weight') or '_norm.weight' in n or 'norm1.' in n or 'norm2.' in n:
            p.data.add_(1.0)
        if n.endswith('_scale'):
            p.data.add_(0.2)
    return m


def cmd_weights(a):
    dev = 'cuda' if torch.cuda.is_available() else 'cpu'
    os.makedirs(f'{a.out}/vae', exist_ok=True)
    state = fill(make(a), dev).state_dict()
    torch.save(
        {'ema': state} if a.model == 'sit' else {'net.' + k: v for k, v in state.items()},
        f'{a.out}/{a.model}.pt',
    )
    ch = tuple(map(int, a.vae_channels.split(',')))
    tb.st_save(
        f'{a.out}/vae/diffusion_pytorch_model.safetensors', fill(tb.Vae(ch), dev).state_dict()
    )
    json.dump(
        {
            '_class_name': 'AutoencoderKL',
            'act_fn': 'silu',
            'block_out_channels': ch,
            'in_channels': 3,
            'out_channels': 3,
            'latent_channels': 4,
            'layers_per_block': 2,
            'norm_num_groups': 32,
            'sample_size': a.size,
        },
        open(f'{a.out}/vae/config.json', 'w'),
    )
    print('wrote', a.out, a.model, sum(v.numel() for v in state.values()), 'parameters')


def sample(a, net, z, y, steps):
    """The latents after so many steps."""
    B, one = len(z), torch.ones(len(z), device=z.device, dtype=z.dtype)
    if a.model == 'imf':
        return z - net(z, one, 8 * one, 0.42 * one, 0.62 * one, y).to(z.dtype)
    x, y = torch.cat([z, z]), torch.cat([y, torch.full_like(y, 1000)])
    for i in range(steps):
        t = torch.full((2 * B,), i / steps, device=z.device, dtype=z.dtype)
        half = torch.cat([x[:B], x[:B]])
        v = net(half, t, y).to(z.dtype)[:, :4]
        cond, null = v[:, :3].chunk(2)
        guided = null + 4 * (cond - null)
        x = x + torch.cat([torch.cat([guided, guided]), v[:, 3:]], 1) / steps
    return x[:B]


def cmd_run(a):
    torch.set_grad_enabled(False)
    dev = 'cuda' if torch.cuda.is_available() else 'cpu'
    real = torch.float64 if a.dump else torch.float32
    low = {'fp16': torch.float16, 'bf16': torch.bfloat16}.get(a.mode)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.mode == 'tf32'
    net = make(a)
    state = torch.load(f'{a.out}/{a.model}.pt', map_location='cpu')
    state = state.get('ema', state)
    net.load_state_dict({k[4:] if k.startswith('net.') else k: v for k, v in state.items()})
    net = net.eval().to(dev, real)
    torch.manual_seed(1)
    z = torch.randn(a.batch, 4, a.size // 8, a.size // 8)
    y = torch.arange(a.batch) * 37 % 1000
    zd, yd = z.to(dev, real), y.to(dev)
    if a.dump:
        out = {'z': z, 'y': y.int()}
        for steps in (1, 2) if a.model == 'sit' else (1,):
            out[f'euler{steps}_cfg4' if a.model == 'sit' else 'steps1_w8_0.42_0.62'] = sample(
                a, net, zd, yd, steps
            ).float()
        tb.st_save(a.dump, out, {'num_heads': str(a.heads)})
        print('wrote', a.dump)
        return
    vae = tb.load_vae(f'{a.out}/vae/diffusion_pytorch_model.safetensors').to(dev)
    if low:
        vae = vae.to(memory_format=torch.channels_last)
    if a.compile:
        net, vae = torch.compile(net), torch.compile(vae)
    with torch.autocast(dev, dtype=low or torch.bfloat16, enabled=low is not None):
        ms = tb.timed(lambda: vae(sample(a, net, zd, yd, a.steps) / 0.18215), dev, a.repeat)
    print(
        f'torch {torch.__version__} {a.model} {a.mode}{"+compile" if a.compile else ""} '
        f'batch {a.batch}, {a.steps} steps: total {ms:.2f} ms, {1e3*a.batch/ms:.3f} images/s',
        flush=True,
    )


if __name__ == '__main__':
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument('cmd', choices=['weights', 'run'])
    ap.add_argument('--model', choices=['sit', 'imf'], required=True)
    ap.add_argument('--out', required=True)
    for name, value in (
        ('size', 256),
        ('hidden', 1152),
        ('depth', 28),
        ('heads', 16),
        ('batch', 8),
        ('steps', 50),
        ('repeat', 3),
    ):
        ap.add_argument('--' + name, type=int, default=value)
    ap.add_argument('--mode', default='tf32', choices=['fp32', 'tf32', 'fp16', 'bf16'])
    ap.add_argument('--compile', action='store_true')
    ap.add_argument('--dump', default='')
    ap.add_argument('--vae-channels', default='128,256,512,512')
    a = ap.parse_args()
    {'weights': cmd_weights, 'run': cmd_run}[a.cmd](a)
