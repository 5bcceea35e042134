#!/bin/bash
# SPDX-License-Identifier: MIT
# Other names and forms of the same weights compute the same: LDM's, REPA's, prefixes, wrappers,
# other storage, no position embedding.
. "$(dirname "$0")/lib.sh"
need_device

# The recordings of the original names decide.
agrees_sit() { # NAME OVERRIDE...
    local name=$1
    shift
    works "$name" verify -q ref.st model.checkpoint=a.st "$@"
    rm -f a.st
}
agrees_vae() { # NAME [RECORDING]
    works "$1" verify -q "${2:-$data/vae_small.ref.safetensors}" vae.weights=a.st
    rm -f a.st
}
sit=$data/sit_h64_p2_sigma.pt
vae=$data/vae_small.safetensors
cp "$data/vae_small.config.json" a.config.json

# ---- SiT ----

# The embedder's activation is recorded under its name, which some of these change.
edit "$data/sit_h64_p2_sigma.ref.safetensors" ref.st 'drop=^act\.t_embed$'

edit "$sit" a.st 'sub=^=>module.'
agrees_sit "SiT: module. before every name"
edit "$sit" a.st 'sub=^=>_orig_mod.'
agrees_sit "SiT: _orig_mod. before every name"
edit "$sit" a.st 'drop=^pos_embed$'
agrees_sit "SiT: no pos_embed, and model.latent_size" model.latent_size=16
edit "$sit" a.st add=projectors.0.0.weight:16x64 add=projectors.0.0.bias:16
agrees_sit "SiT: REPA's projectors are ignored" model.preset=repa
edit "$sit" a.st 'sub=^t_embedder=>delta_embedder'
agrees_sit "SiT: another usual name of the embedder" model.preset=freeflow \
    condition.delta_embedder=t
edit "$sit" a.st 'sub=^t_embedder=>foo_embedder'
agrees_sit "SiT: an unusual name with its line" model.preset=freeflow \
    condition.foo_embedder=t
edit "$sit" a.st note=format:pt note=anything:else
agrees_sit "SiT: metadata is let be"

# REPA's first releases: blocks 8 and later are decoder_blocks 0 and later.  A demo of ten blocks.
copies=()
for i in 6 7 8 9; do
    for t in attn.qkv attn.proj mlp.fc1 mlp.fc2 adaLN_modulation.1; do
        for k in weight bias; do
            copies+=("copy=blocks.$((i - 6)).$t.$k:blocks.$i.$t.$k")
        done
    done
done
edit "$demo_sit" ten.st "${copies[@]}"
edit ten.st repa.st 'sub=^blocks\.8=>decoder_blocks.0' 'sub=^blocks\.9=>decoder_blocks.1'
for m in ten repa; do
    works "SiT: ten blocks, $m" -q "$demo" model.checkpoint=$m.st sampler.classes=0-2 \
        sampler.count=3 output.grid=$m.png
done
check "SiT: decoder_blocks come after the eighth block" images equal ten.png repa.png

# ---- VAE ----

edit "$vae" a.st 'sub=^=>vae.'
agrees_vae "VAE: vae. before every name"
old=('sub=attentions\.0\.to_q\.=>attentions.0.query.' 'sub=attentions\.0\.to_k\.=>attentions.0.key.'
    'sub=attentions\.0\.to_v\.=>attentions.0.value.'
    'sub=attentions\.0\.to_out\.0\.=>attentions.0.proj_attn.')
edit "$vae" a.st "${old[@]}"
agrees_vae "VAE: the old attention names"
edit "$vae" a.st 'drop=^quant_conv'
agrees_vae "VAE: the decoder's tensors alone"
edit "$vae" a.st add=encoder.another.weight:32x3x3x3 add=quant_conv.another:5 add=loss.logvar:1
agrees_vae "VAE: encoder and loss are ignored"

ldm=('sub=^decoder\.mid_block\.resnets\.0\.=>decoder.mid.block_1.'
    'sub=^decoder\.mid_block\.resnets\.1\.=>decoder.mid.block_2.'
    'sub=^decoder\.mid_block\.attentions\.0\.group_norm\.=>decoder.mid.attn_1.norm.'
    'sub=^decoder\.mid_block\.attentions\.0\.to_([qkv])\.=>decoder.mid.attn_1.\1.'
    'sub=^decoder\.mid_block\.attentions\.0\.to_out\.0\.=>decoder.mid.attn_1.proj_out.'
    'sub=^decoder\.conv_norm_out\.=>decoder.norm_out.' 'sub=\.conv_shortcut\.=>.nin_shortcut.'
    'sub=^decoder\.up_blocks\.(\d+)\.resnets\.=>decoder.up.\1.block.'
    'sub=^decoder\.up_blocks\.(\d+)\.upsamplers\.0\.=>decoder.up.\1.upsample.'
    'reverse=^decoder\.up\.(\d+)\.=>4'
    'ranks=attn_1\.(q|k|v|proj_out)\.weight$:*x*x1x1')
# The levels are counted the other way, in the recordings of such files as well.
edit "$data/vae_small.ref.safetensors" ldm.st 'reverse=^act\.up(\d+)$=>4'
edit "$vae" a.st "${ldm[@]}"
agrees_vae "VAE: LDM's names" ldm.st
edit "$vae" a.st "${ldm[@]}" 'sub=^=>first_stage_model.' add=model.diffusion_model.out.0.weight:64 \
    add=cond_stage_model.transformer.weight:5x5
agrees_vae "VAE: a whole LDM checkpoint" ldm.st

# ---- the demo as safetensors ----

edit "$demo_sit" demo.st
for m in "$demo_sit" demo.st; do
    works "the demo from ${m##*.}" -q "$demo" model.checkpoint="$m" sampler.classes=0-2 \
        sampler.count=3 output.grid="${m##*.}.png"
done
check "both generate the same" images equal pt.png st.png

finish
