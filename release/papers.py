"""What goes with the program into every package: manual, completions, licences, changes."""

import licences
from tools import ROOT, Failed


class Papers:
    def __init__(self, programs):
        # What the program prints of itself does not depend on the processor.
        writer = next((each for each in programs if each.runs_here()), None)
        if not writer:
            raise Failed("none of the programs runs here, so none can write the manual: "
                         "pack them together with one that does")
        self.pages = writer.pages()
        self.completions = writer.completions()
        self.texts = [ROOT / "LICENSE", ROOT / "README.md", ROOT / "CHANGELOG.md"]
        self.documents = [licences.collected([program.target for program in programs])]
