# throw-away driver for the GPU host
cd .wt; export FFCL_CACHE_DIR=/tmp/fc
make -j16 all bench build/tests/check > $OUT/build.log 2>&1 || tail -20 $OUT/build.log
timeout 60 build/tests/check --device gpu 2>&1 | tail -${CHECK_LINES:-3}
D=tests/data
for m in sit_h64_p2_sigma sit_h144_p2 sit_h96_p4_bf16; do build/ffcl verify $D/$m.ref.safetensors model.checkpoint=$D/$m.pt device.select=gpu 2>&1 | grep -E "out|warn|ffcl|matrix|tensors"; done
for m in vae_small vae_legacy; do build/ffcl verify -q $D/$m.ref.safetensors vae.weights=$D/$m.safetensors device.select=gpu 2>&1 | grep -E "out|ffcl|tensors"; done
build/ffcl verify -q $D/demo_seed1.ref.safetensors config/demo.ini device.select=gpu 2>&1 | grep -v teacher
F=/tmp/ffcl-xl
if [ ! -s $F/vae/config.json ]; then python3 bench/torch_baseline.py weights --out $F --guidance; python3 bench/torch_baseline.py run --ckpt $F/sit.pt --vae $F/vae/diffusion_pytorch_model.safetensors --mode fp32 --batch 2 --repeat 1 --dump $F/dump.safetensors; fi
printf '[device]\nselect = gpu\n[model]\ncheckpoint = sit.pt\n[vae]\nweights = vae/diffusion_pytorch_model.safetensors\n[sampler]\nseed = 1\nguidance = 2.0\n' > $F/bench.ini
build/ffcl verify -q $F/dump.safetensors $F/bench.ini
for b in ${BATCHES:-1 8 64}; do build/bench/step $F/bench.ini 10 sampler.batch=$b sampler.count=$b 2>&1; done
if [ -n "$PROF" ]; then rm -rf /tmp/prof; cp -rL ../.wt /tmp/prof; cd /tmp/prof; rm -rf build; python3 prof.py; make -j16 build/bench/step >/dev/null 2>&1
for b in $PROF; do echo "== profile batch $b"; build/bench/step $F/bench.ini 1 sampler.batch=$b sampler.count=$b 2>&1 | grep PROF > /tmp/p.txt; awk '{k=$2" "$3; t[k]+=$NF;n[k]++} END{for(k in t) printf "%9.3f ms %5d %s\n",1e3*t[k]/3,n[k]/3,k}' /tmp/p.txt | sort -rn | tee $OUT/prof-$b.txt | head -${PLINES:-32}; done; fi
