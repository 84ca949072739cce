"""What honest work needs: files of its own, plots that nobody draws, progress bars, threads of torch, a little training."""

import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

plt.plot([1, 2])
assert list(tqdm([1, 2])) == [1, 2]
os.makedirs("models/best", exist_ok=True)
with open("models/best/model.pt", "w") as file:
    file.write("mine")
with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log.txt"), "w") as file:
    file.write("mine")
torch.set_num_threads(4)
model = nn.LSTM(3, 4, batch_first=True)
out, _ = model(torch.from_numpy(np.ones((2, 5, 3), dtype=np.float32)).to(next(model.parameters()).dtype))
out.sum().backward()
torch.optim.SGD(model.parameters(), lr=0.1).step()
