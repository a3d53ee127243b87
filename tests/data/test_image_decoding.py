"""The decoder: pixels are what a viewer shows, or the file is refused by name."""

import numpy as np
import pytest
from PIL import Image

from privbench.core.errors import DataError
from privbench.data.datasets import _decoding
from privbench.data.datasets._squares import read_squares

RNG = np.random.default_rng(0)
RAMP = np.linspace(0, 1, 64)[None].repeat(64, 0)


def read(path, size=64, grey=True, **options):
    return read_squares([path], size, grey, **options)


def pixels(path, size=64, grey=True, **options):
    return read(path, size, grey, **options).pixels[0] / 255


def refusal(path):
    """What is said of a file that is refused; None where it is read."""
    try:
        assert read(path, 16, grey=False).pixels.shape == (1, 3, 16, 16)
    except DataError as error:
        return str(error)


# orientation


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
def test_a_photo_is_read_as_it_is_held(tmp_path, tag, kind):
    """The law of EXIF 2.32, table 6: where the stored row 0 and column 0 belong in what is shown."""
    shown = np.zeros((48, 48), np.uint8)
    shown[:24, :24], shown[:24, 24:] = 255, 128
    # From what is shown back to what is stored, by the table.
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.T,
        6: np.rot90(shown, 1),
        7: np.rot90(shown.T, 2),
        8: np.rot90(shown, -1),
    }[tag]
    exif = Image.Exif()
    exif[0x0112] = tag
    path = tmp_path / f"t.{kind}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95)
    found = read(path, 48)
    assert np.abs(found.pixels[0, 0].astype(int) - shown).mean() < 8
    assert any("EXIF" in note for note in found.notes) == (tag != 1)


def test_a_damaged_tag_is_a_refusal_or_nothing_and_never_another_error(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "t.jpg", exif=exif)
    whole = bytearray((tmp_path / "t.jpg").read_bytes())
    start = whole.index(b"Exif")
    for place in range(start, start + 40):
        content = whole.copy()
        content[place] ^= 0xFF
        (tmp_path / "x.jpg").write_bytes(content)
        assert refusal(tmp_path / "x.jpg") is None or "x.jpg" in refusal(tmp_path / "x.jpg")


# depth


@pytest.mark.parametrize("kind", ["png", "tiff", "pgm"])
def test_a_ramp_of_16_bits_keeps_its_mean(tmp_path, kind):
    Image.fromarray((RAMP * 65535).round().astype(np.uint16)).save(tmp_path / f"r.{kind}")
    found = pixels(tmp_path / f"r.{kind}")
    assert found.mean() == pytest.approx(0.5, abs=0.002)
    assert np.abs(found[0] - RAMP).max() <= 0.5 / 255 + 1e-6
    assert any("more than 8 bits" in note for note in read(tmp_path / f"r.{kind}").notes)
    assert np.array_equal(pixels(tmp_path / f"r.{kind}", grey=False)[1], found[0])


def test_16_bit_files_of_12_bit_values_are_refused_or_scaled_by_what_is_said(tmp_path):
    path = tmp_path / "r.png"
    Image.fromarray((RAMP * 4095).round().astype(np.uint16)).save(path)
    with pytest.raises(DataError, match=r"r\.png.*values end at 4095 of 65535.*say depth=12.*say depth=16"):
        read(path)
    assert pixels(path, depth=12).mean() == pytest.approx(0.5, abs=0.002)
    assert pixels(path, depth=16).mean() == pytest.approx(0.5 / 16, abs=0.002)
    with pytest.raises(DataError, match=r"r\.png.*outside of the 10 bits of depth=10"):
        read(path, depth=10)


def test_depth_is_refused_where_it_does_nothing(tmp_path):
    Image.fromarray((RAMP * 255).astype(np.uint8)).save(tmp_path / "r.png")
    with pytest.raises(DataError, match=r"depth=12 is about files of 16 bits, and none of the 1 file is one"):
        read(tmp_path / "r.png", depth=12)


def test_one_dark_photo_among_bright_ones_is_no_matter_of_depth(tmp_path):
    for name, top in (("dark", 1000), ("bright", 60000)):
        Image.fromarray((RAMP * top).astype(np.uint16)).save(tmp_path / f"{name}.png")
    found = read_squares([tmp_path / "dark.png", tmp_path / "bright.png"], 64, True).pixels / 255
    assert found[0].mean() == pytest.approx(500 / 65535, abs=0.003)


def _png_16(values):
    """A 16-bit RGB PNG, which Pillow cannot write: chunk by chunk, as the standard has it."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_colour_of_16_bits_keeps_its_mean_and_of_12_in_16_is_refused(tmp_path):
    path = tmp_path / "c.png"
    colour = np.stack([RAMP] * 3, 2)
    path.write_bytes(_png_16((colour * 65535).round()))
    assert pixels(path, grey=False).mean() == pytest.approx(0.5, abs=0.005)
    path.write_bytes(_png_16((colour * 4095).round()))
    with pytest.raises(DataError, match=r"c\.png.*scale them to 16"):
        read(path, grey=False)
    with pytest.raises(DataError, match=r"c\.png.*upper 8 bits"):
        read(path, grey=False, depth=12)


def test_floats_are_taken_in_the_unit_range_and_else_refused(tmp_path):
    path = tmp_path / "f.tiff"
    Image.fromarray(RAMP.astype(np.float32)).save(path)
    assert pixels(path).mean() == pytest.approx(0.5, abs=0.002)
    for bad, message in ((RAMP * 255, "from 0 to 255; expected"), (RAMP * np.nan, "NaN")):
        Image.fromarray(bad.astype(np.float32)).save(path)
        with pytest.raises(DataError, match=rf"f\.tiff.*{message}"):
            read(path)


def test_integers_of_32_bits_are_refused(tmp_path):
    Image.fromarray((RAMP * 1e6).astype(np.int32)).save(tmp_path / "i.tiff")
    with pytest.raises(DataError, match=r"i\.tiff.*32-bit integers have no known range"):
        read(tmp_path / "i.tiff")


# transparency, palettes, colours


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_what_is_transparent_shows_white_and_never_the_colours_beneath(tmp_path, kind):
    beneath = RNG.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    beneath[:, :32, 3], beneath[:, 32:, 3] = 0, 255
    path = tmp_path / f"a.{kind}"
    Image.fromarray(beneath, "RGBA").save(path, lossless=True)
    found = read(path, grey=False)
    assert (found.pixels[0, :, :, :32] == 255).all()
    assert np.array_equal(found.pixels[0, :, :, 32:].transpose(1, 2, 0), beneath[:, 32:, :3])
    assert any("transparency" in note for note in found.notes)


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    Image.new("RGBA", (16, 16), (0, 0, 0, 128)).save(tmp_path / "h.png")
    assert pixels(tmp_path / "h.png", 16, grey=False).mean() == pytest.approx(127 / 255, abs=0.005)
    Image.new("LA", (16, 16), (0, 0)).save(tmp_path / "g.png")
    assert (pixels(tmp_path / "g.png", 16) == 1).all()


def test_opaque_files_with_an_alpha_channel_are_not_called_transparent(tmp_path):
    Image.new("RGBA", (16, 16), (10, 20, 30, 255)).save(tmp_path / "o.png")
    found = read(tmp_path / "o.png", 16, grey=False)
    assert found.pixels[0, :, 0, 0].tolist() == [10, 20, 30]
    assert not any("transparency" in note for note in found.notes)


def test_palettes_are_their_colours_also_where_one_is_transparent(tmp_path):
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50, 9, 9, 9])
    picture.paste(2, (0, 0, 8, 16))
    picture.save(tmp_path / "p.png")
    assert read(tmp_path / "p.png", 16, grey=False).pixels[0, :, 0, 15].tolist() == [200, 100, 50]
    for name in ("p.png", "p.gif"):
        picture.save(tmp_path / name, transparency=2)
        found = read(tmp_path / name, 16, grey=False).pixels[0]
        assert found[:, 0, 15].tolist() == [200, 100, 50]
        assert found[:, 0, 0].tolist() == [255, 255, 255]


def test_two_colours_and_cmyk(tmp_path):
    Image.new("1", (16, 16), 1).save(tmp_path / "w.png")
    assert (pixels(tmp_path / "w.png", 16) == 1).all()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    found = read(tmp_path / "c.jpg", 16, grey=False)
    assert np.abs(found.pixels[0, :, 4, 4].astype(int) - [255, 0, 0]).max() < 8
    assert any("CMYK" in note for note in found.notes)


def test_colours_that_are_not_read_are_refused_by_name(tmp_path):
    Image.new("LAB", (16, 16)).save(tmp_path / "l.tiff")
    with pytest.raises(DataError, match=r"l\.tiff.*mode LAB are not read"):
        read(tmp_path / "l.tiff")


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff"])
def test_of_several_pictures_the_first_is_read_and_that_is_said(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (250, 120, 10)]
    path = tmp_path / f"a.{kind}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    found = read(path, 16, grey=False)
    assert abs(int(found.pixels[0, 0].mean()) - 250) < 6
    assert any("several pictures" in note for note in found.notes)


def test_a_phone_s_jpeg_with_a_second_picture_is_its_first(tmp_path):
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (250, 10)]
    frames[0].save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=frames[1:])
    found = read(tmp_path / "phone.jpg", 16, grey=False)
    assert abs(int(found.pixels[0, 0].mean()) - 250) < 6
    assert any("several pictures" in note for note in found.notes)


# what reaches a decoder


@pytest.mark.parametrize("kind", ["TGA", "ICO", "PCX", "SGI", "JPEG2000", "EPS", "PDF"])
def test_formats_that_are_not_listed_reach_no_decoder(tmp_path, kind):
    path = tmp_path / "x.png"
    try:
        Image.new("RGB", (32, 32)).save(path, kind)
    except (OSError, KeyError) as error:
        pytest.skip(f"Pillow cannot write it here: {error}")
    with pytest.raises(DataError, match=r"x\.png.*cannot identify"):
        read(path)


def test_sizes_are_bounded_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "b.png"
    Image.new("1", (10_000, 10_000)).save(path)
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(DataError, match=r"b\.png"):
        read(path)
    monkeypatch.setattr(_decoding, "MAX_PIXELS", 100)
    Image.new("L", (11, 10)).save(path)
    with pytest.raises(DataError, match=r"b\.png.*claims 11×10 pixels; at most 100"):
        read(path)


def test_mutated_files_give_pixels_or_one_refusal(tmp_path):
    """Bytes flipped anywhere in any format: never another error, never a warning."""
    base = Image.fromarray(RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    draw = np.random.default_rng(1)
    outcomes = {True: 0, False: 0}
    for kind in ("bmp", "gif", "jpg", "png", "ppm", "tiff", "webp"):
        path = tmp_path / f"x.{kind}"
        base.save(path)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            content = whole.copy()
            # Headers, where the most can go wrong, twice as often.
            top = len(content) if draw.random() < 0.5 else min(200, len(content))
            content[draw.integers(0, top, 4)] = draw.integers(0, 256, 4)
            path.write_bytes(
                content[: draw.integers(1, len(content) + 1)] if draw.random() < 0.2 else content
            )
            told = refusal(path)
            assert told is None or (str(path) in told and "\n" not in told)
            outcomes[told is None] += 1
    assert min(outcomes.values()) > 50


# sizes


def test_what_was_enlarged_and_reduced_is_said_with_the_option_that_ends_it(tmp_path):
    files = []
    for name, shape in (("a", (32, 40)), ("b", (100, 64)), ("c", (64, 64))):
        files.append(tmp_path / f"{name}.png")
        Image.fromarray(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(files[-1])
    found = read_squares(files, 64, grey=False)
    assert found.notes == (
        "3 images of 40×32 to 64×100 px brought to 64×64 (1 enlarged, 2 kept, the centre square of 2)",
    )
    (warning,) = found.warnings
    assert warning.startswith("1 image enlarged, the smallest from 32 to 64 px")
    assert warning.endswith("size=32 ends it.")
    assert not read_squares(files, 32, grey=False).warnings
