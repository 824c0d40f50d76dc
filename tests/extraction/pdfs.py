"""PDFs for tests of reading: sound, odd and hostile. Invented text only."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import pikepdf
from fpdf import FPDF

LINE_PT = 14
SENTENCE = "The reviewer had no say in the colour of the paper."


def plain(*pages: str, size_pt: float = 12) -> bytes:
    """A PDF with these pages, line by line; a blank line is a gap of one line."""
    pdf = FPDF(unit="pt", format="letter")
    pdf.set_font("times", size=size_pt)
    for page in pages or (SENTENCE,):
        pdf.add_page()
        for number, line in enumerate(page.split("\n")):
            pdf.text(72, 72 + LINE_PT * number, line)
    return bytes(pdf.output())


def encrypted(content: bytes, *, user: str = "", owner: str = "owner") -> bytes:
    """The same PDF, encrypted as published letters are: 128-bit, with an empty user password by default."""
    with pikepdf.open(io.BytesIO(content)) as pdf:
        return _saved(pdf, encryption=pikepdf.Encryption(owner=owner, user=user, R=4))


def pictures(count: int) -> bytes:
    """Pages that are pictures, as a scanner makes them."""
    with pikepdf.new() as pdf:
        for _ in range(count):
            page = pdf.add_blank_page(page_size=(612, 792))
            picture = pikepdf.Stream(pdf, b"\x80" * 64)
            picture.Type, picture.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
            picture.Width, picture.Height, picture.BitsPerComponent = 8, 8, 8
            picture.ColorSpace = pikepdf.Name.DeviceGray
            page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=picture))
            page.Contents = pikepdf.Stream(pdf, b"q 612 0 0 792 0 0 cm /Im0 Do Q")
        return _saved(pdf)


def blank(count: int) -> bytes:
    """Pages with nothing on them."""
    with pikepdf.new() as pdf:
        for _ in range(count):
            pdf.add_blank_page()
        return _saved(pdf)


def joined(*contents: bytes) -> bytes:
    """The pages of several PDFs in one."""
    with pikepdf.new() as pdf:
        for content in contents:
            with pikepdf.open(io.BytesIO(content)) as part:
                pdf.pages.extend(part.pages)
        return _saved(pdf)


_UPRIGHT = {  # on paper turned by that much: the matrix of upright text, where it starts, one line down
    0: (b"1 0 0 1", (72, 700), (0, -LINE_PT)),
    90: (b"0 1 -1 0", (72, 72), (LINE_PT, 0)),
    180: (b"-1 0 0 -1", (500, 72), (0, LINE_PT)),
    270: (b"0 -1 1 0", (500, 700), (-LINE_PT, 0)),
}


def turned(degrees: int, text: str) -> bytes:
    """A page whose paper is turned, as scanners leave it, with text that reads upright."""
    matrix, (x, y), (right, up) = _UPRIGHT[degrees]
    program = b"".join(
        b"BT /F1 12 Tf %b %d %d Tm (%b) Tj ET\n" % (matrix, x + right * number, y + up * number, line.encode())
        for number, line in enumerate(text.split("\n"))
    )
    with pikepdf.open(io.BytesIO(drawn(program))) as pdf:
        pdf.pages[0].Rotate = degrees
        return _saved(pdf)


def drawn(program: bytes, *, pages: int = 1, filters: Sequence[str] = ()) -> bytes:
    """Pages that all run the same drawing program, given as it stands in the file."""
    kids = b" ".join([b"3 0 R"] * pages)
    used = " ".join(f"/{name}" for name in filters).encode()
    return assembled(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, pages),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter [%b] >>\nstream\n%b\nendstream" % (len(program), used, program),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )


def mapped(mapping: str, shown: str) -> bytes:
    """A page that shows some letters, whose font says by `mapping` which characters they are."""
    program = b"BT /F1 12 Tf 72 700 Td (%b) Tj ET" % shown.encode()
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Own def /CMapType 2 def "
        f"1 begincodespacerange <00> <FF> endcodespacerange {mapping} endcmap end end"
    )
    with pikepdf.open(io.BytesIO(drawn(program))) as pdf:
        pdf.pages[0].Resources.Font.F1.ToUnicode = pikepdf.Stream(pdf, cmap.encode())
        return _saved(pdf)


def assembled(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1, the first being the catalogue."""
    file = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    file += b"trailer\n<< /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(file)


def cyclic_pages() -> bytes:
    """A tree of pages in which a branch holds its own root."""
    return assembled(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 5 >>",
        b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R] /Count 5 >>",
    )


def circular_xref() -> bytes:
    """A cross-reference table that names itself as the one before it."""
    objects = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"
    start = assembled(*objects).rindex(b"xref\n0")
    return assembled(*objects, trailer=b"/Prev %d" % start)


def bomb() -> bytes:
    """Eight gigabytes of blanks in a few kilobytes."""
    return drawn(zlib.compress(_repeated(b" " * 1_000_000, 8_000)), filters=("FlateDecode", "FlateDecode"))


def hoard() -> bytes:
    """A drawing of millions of strokes: little to unpack, much to remember."""
    return drawn(_repeated(b"0 0 m 1 1 l 2 2 l S " * 50_000, 200), filters=("FlateDecode",))


def slow() -> bytes:
    """Pages of numbers that mean nothing: minutes of reading, in constant memory."""
    return drawn(_repeated(b"1 " * 500_000, 5), pages=200, filters=("FlateDecode",))


def _repeated(chunk: bytes, times: int) -> bytes:
    """`chunk` that many times, deflated: one deflated block is repeated, so it costs no time to make."""
    packer = zlib.compressobj(9)
    block = packer.compress(chunk) + packer.flush(zlib.Z_FULL_FLUSH)
    return block + block[2:] * (times - 1)


def _saved(pdf: pikepdf.Pdf, encryption: pikepdf.Encryption | None = None) -> bytes:
    file = io.BytesIO()
    pdf.save(file, encryption=encryption or False)
    return file.getvalue()
