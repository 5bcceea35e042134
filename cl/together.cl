/* SPDX-License-Identifier: MIT
 * What most plans on a CPU launch, as one program, where the driver compiles a kernel when it is
 * launched first (host/cl/together.c): of the time to build a program most is that of reading
 * OpenCL's own headers.  Vectors have 16 floats.  Kernels after an upsample end in _up. */
#ifndef VW
#define VW 16
#endif
#include "conv_direct.cl"
#include "embed.cl"
#include "epilogue.cl"
#include "groupnorm_row.cl"
#include "image.cl"
#include "latent.cl"
#include "latent_conv_row.cl"
#include "layernorm_row.cl"
#include "patches_row.cl"
#include "softmax_row.cl"
#include "unpatch_row.cl"
#include "winograd.cl"
#undef POINTS
#undef OUTS
#undef SIDE
#undef STEP
#define UPSAMPLE
#define before before_up
#define after after_up
#define of_weight of_weight_up
#define winograd_weights winograd_weights_up
#define winograd_before winograd_before_up
#define winograd_after winograd_after_up
#include "winograd.cl"
