"""The alternative text that a notebook stores with a figure becomes that of the page's image."""

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx


def with_alternative_text(render):  # type: ignore[no-untyped-def]
    def render_image(self: NbElementRenderer, data: MimeData) -> list[nodes.Element]:
        elements = render(self, data)
        for image in (image for element in elements for image in element.findall(nodes.image)):
            image["alt"] = data.output_metadata.get(data.mime_type, {}).get("alt", "")
        return elements

    return render_image


def setup(app: Sphinx) -> dict[str, bool]:
    NbElementRenderer.render_image = with_alternative_text(NbElementRenderer.render_image)  # type: ignore[method-assign]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
