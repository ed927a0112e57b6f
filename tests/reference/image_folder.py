"""torchvision's ImageFolder, as its documentation describes it: classes by name, then folders and files as walked."""

import os
from pathlib import Path

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class ImageFolder:
    """Paths and classes of all images in a folder of one folder per class."""

    def __init__(self, root: Path, extensions: tuple[str, ...] = EXTENSIONS) -> None:
        self.root, self.classes = str(root), sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        self.samples: list[tuple[str, int]] = []
        for code, name in enumerate(self.classes):
            for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):  # noqa: PTH118
                for file in sorted(files):
                    if file.lower().endswith(extensions):
                        self.samples.append((os.path.join(folder, file), code))  # noqa: PTH118
        self.targets = [code for _, code in self.samples]
        self.imgs = self.samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[bytes, int]:
        path, code = self.samples[index]
        return Path(path).read_bytes(), code
