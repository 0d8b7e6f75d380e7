"""The U-Net nobody here wrote: PlainConvUNet of dynamic-network-architectures (nnU-Net's own), with random weights.

RADAR's light decoder stops one level before the full size; it is the same modules, called that far. Its own class
was never released apart from damo-radar, so the loop over the levels is repeated here.
"""
import numpy
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

# As published; reduced ones differ in features and size alone.
NNUNET = dict(features=[32, 64, 128, 256, 320, 320], kernels=[[1, 3, 3]] + [[3, 3, 3]] * 5,
              strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2]],
              convs_enc=2, convs_dec=2, norm="instance", act="leaky_relu", slope=0.01, out_map="full")
RADAR = dict(features=[32, 64, 128, 256, 320, 320], kernels=[[1, 3, 3]] * 2 + [[3, 3, 3]] * 4,
             strides=[[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
             convs_enc=2, convs_dec=1, dec_levels=4, norm="batch", act="relu", out_map="skips", classes=37, map_dim=256)


def build(unet, seed, channels=1):
    norm = nn.InstanceNorm3d if unet["norm"] == "instance" else nn.BatchNorm3d
    act = nn.LeakyReLU if unet["act"] == "leaky_relu" else nn.ReLU
    stages = len(unet["features"])
    net = PlainConvUNet(
        channels, stages, unet["features"], nn.Conv3d, unet["kernels"], unet["strides"], unet["convs_enc"],
        unet.get("classes") or 2, [unet["convs_dec"]] * (stages - 1), conv_bias=True, norm_op=norm,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=act,
        nonlin_kwargs={"negative_slope": unet["slope"]} if unet["act"] == "leaky_relu" else {})
    net.proj = nn.ModuleList()
    for k in range(3 if unet.get("map_dim") else 0):
        net.proj.append(nn.Conv3d(unet["features"][-1 - k], unet["map_dim"], 1))
    randomise(net, seed)
    return net.eval()


def randomise(net, seed):
    """No zero bias and no unit norm: a term that is left out or swapped must show. Scaled so that maps keep their
    size from stage to stage."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in list(net.named_parameters()) + list(net.named_buffers()):
            if not p.dtype.is_floating_point:
                continue
            noise = torch.randn(p.shape, generator=draw)
            if name.endswith("running_var"):
                p.copy_(0.5 + torch.rand(p.shape, generator=draw))
            elif p.dim() == 1:
                p.copy_(1 + 0.1 * noise if "norm" in name and name.endswith("weight") else 0.1 * noise)
            else:
                taps = 1 if "transpconvs" in name else p[0, 0].numel()
                p.copy_(noise * (2 / (p.shape[0 if "transpconvs" in name else 1] * taps)) ** 0.5)


@torch.no_grad()
def maps(net, unet, volume, see):
    """Every stage to see(name, [channels, z, y, x]); nothing is kept."""
    skips = net.encoder(volume[None])
    for s, skip in enumerate(skips):
        see(f"enc.{s}", skip[0])
    for k, proj in enumerate(net.proj):
        see(f"proj.{k}", proj(skips[-1 - k])[0])
    x, decoder, level = skips.pop(), net.decoder, -1
    for level in range(unet.get("dec_levels", len(unet["features"]) - 1)):
        x = decoder.transpconvs[level](x)
        x = decoder.stages[level](torch.cat((x, skips.pop()), 1))
        see(f"dec.{level}", x[0])
    if unet.get("classes"):
        see("seg", decoder.seg_layers[level](x)[0])
    return x[0]


def state(net, unet):
    """What a published nnU-Net state dict holds, the repeats included."""
    return {name: value for name, value in net.state_dict().items() if not name.startswith("proj.")}


def radar_state(net, unet):
    """RADAR's image side: everything of the levels it has, and what it carries for nothing."""
    levels = unet["dec_levels"]
    out = {}
    for name, value in state(net, unet).items():
        parts = name.split(".")
        if parts[0] == "decoder" and parts[1] in ("transpconvs", "stages", "seg_layers") and int(parts[2]) >= levels:
            continue
        out["visual_encoder.UNet." + name] = value
    for k, proj in enumerate(net.proj):
        out[f"visual_encoder.proj{k + 1}.weight"], out[f"visual_encoder.proj{k + 1}.bias"] = proj.weight, proj.bias
    return {name: value.detach() for name, value in out.items()}


def canonical(net, unet):
    """What a converter writes."""
    out, levels = {}, unet.get("dec_levels", len(unet["features"]) - 1)
    for name, value in net.state_dict().items():
        parts = name.split(".")
        if "all_modules" in parts or name.startswith("decoder.encoder.") or name.endswith("num_batches_tracked"):
            continue
        if parts[0] == "encoder":  # encoder.stages.S.0.convs.C.conv.weight
            out[".".join(["unet", "enc", parts[2], parts[5], *parts[6:]])] = value
        elif parts[0] == "proj":
            out["unet." + name] = value
        elif int(parts[2]) >= levels:
            continue
        elif parts[1] == "transpconvs":
            out[f"unet.dec.{parts[2]}.up.{parts[3]}"] = value
        elif parts[1] == "stages":  # decoder.stages.L.convs.C.conv.weight
            out[".".join(["unet", "dec", parts[2], parts[4], *parts[5:]])] = value
        elif unet.get("classes") and int(parts[2]) == levels - 1:
            out[f"unet.seg.{parts[3]}"] = value
    return {name: value.detach() for name, value in out.items()}


def arrays(tensors):
    return {name: numpy.ascontiguousarray(value.numpy()) for name, value in tensors.items()}
