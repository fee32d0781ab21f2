# Writes tensors of PyTorch into the folder of the first argument, and prints their content: a plain pickle, an archive
# of torch.save and its older form.
import base64, collections, io, json, os, pickle, sys

import torch

folder = sys.argv[1]
base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
values = collections.OrderedDict(
    plain=base, transposed=base.t(), part=base[:, 1:], expanded=base[:1].expand(2, 3), scalar=torch.tensor(7),
    empty=torch.zeros(0, 3), half=torch.tensor([1.5, -2.0], dtype=torch.float16),
    bfloat=torch.tensor([1.5, -2.0, 3.140625], dtype=torch.bfloat16), bools=torch.tensor([True, False]),
    bytes=torch.tensor([1, 255], dtype=torch.uint8), big=torch.tensor([2 ** 40, -1]),
    complex=torch.tensor([1 + 2j]), parameter=torch.nn.Parameter(torch.tensor([0.5])), size=base.shape,
    nested=[{"t": torch.tensor([[1]])}])


def form(v):
    if isinstance(v, torch.Size):
        return list(v)
    if isinstance(v, torch.Tensor):
        if v.dtype.is_complex:
            return [str(x) for x in v.tolist()]
        return v.detach().tolist()
    if isinstance(v, dict):
        return {k: form(x) for k, x in v.items()}
    return [form(x) for x in v] if isinstance(v, list) else v


with open(os.path.join(folder, "tensors.pkl"), "wb") as file:
    pickle.dump(values, file, 4)
torch.save(values, os.path.join(folder, "tensors.pt"))
torch.save(values, os.path.join(folder, "tensors-legacy.pt"), _use_new_zipfile_serialization=False)
print(json.dumps(form(values)))
