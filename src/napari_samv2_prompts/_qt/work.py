"""All that works for an open widget, to be ended in one go when it leaves its window."""

from __future__ import annotations

from .choices import LayerChoices
from .controller import Controller
from .events import Connections, Keys
from .finding import Finding
from .object_list import ObjectList
from .saving import Saving
from .through_stack import ThroughStack

__all__ = ["Work"]


class Work:
    """What must end with the widget, and nothing that Qt may have deleted by then.

    Attributes
    ----------
    controller : Controller
    saving : Saving
    objects : ObjectList
    finding : Finding
    through : ThroughStack
    links : Connections
        From these to the widget.
    """

    def __init__(
        self,
        controller: Controller,
        keys: Keys,
        layers: LayerChoices,
        saving: Saving,
        objects: ObjectList,
        finding: Finding,
        through: ThroughStack,
    ) -> None:
        self.controller, self.saving = controller, saving
        self.objects, self.finding, self.through = objects, finding, through
        self.links = Connections()
        self._keys = keys
        self._layers = layers

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        busy = self.saving.busy or self.objects.busy or self.through.running
        return self.controller.idle and not busy

    def use_keys(self) -> None:
        """Have the viewer's keys work here, and not in another widget of ours."""
        self._keys.use()

    def close(self, destroyed: object = None) -> None:
        """End it; idempotent."""
        self.links.close()
        self.saving.close()
        self.objects.close()
        self.finding.close()
        self.through.close()
        self._keys.close()
        self._layers.stop()
        self.controller.close()
