//! Marks of a page as an SVG 1.1 document: paths, clip paths, and images as PNG.

use super::canvas::{Mark, Pen};
use super::colour::Colour;
use super::{PlotError, raster};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fmt::Write;
use tiny_skia::{Path, PathSegment, Point};

/// The document of a page of width and height in points.
pub(crate) fn document([width, height]: [f64; 2], marks: &[Mark]) -> Result<String, PlotError> {
    let [w, h] = [width, height].map(length);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}pt\" height=\"{h}pt\" viewBox=\"0 0 {w} {h}\">\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n"
    );
    let mut clips = 0;
    for mark in marks {
        match mark {
            Mark::Fill { path, colour, words } => {
                let words = words.as_ref().map(|w| format!(" aria-label=\"{}\"", escaped(w))).unwrap_or_default();
                element(&mut out, format_args!("<path d=\"{}\"{}{words}/>", data(path), painted("fill", *colour)));
            }
            Mark::Stroke { path, pen } => {
                element(&mut out, format_args!("<path d=\"{}\" fill=\"none\"{}/>", data(path), drawn(pen)));
            }
            Mark::Image { rect, width, height, pixels } => {
                let png = BASE64_STANDARD.encode(raster::encode_image(*width, *height, pixels)?);
                let [x, y, w, h] = [rect.x, rect.y, rect.w, rect.h].map(length);
                let place = format!("x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\"");
                element(&mut out, format_args!("<image {place} href=\"data:image/png;base64,{png}\"/>"));
            }
            Mark::Clip(path) => {
                let outline = data(path);
                element(&mut out, format_args!("<clipPath id=\"c{clips}\"><path d=\"{outline}\"/></clipPath>"));
                element(&mut out, format_args!("<g clip-path=\"url(#c{clips})\">"));
                clips += 1;
            }
            Mark::Unclip => element(&mut out, format_args!("</g>")),
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn element(out: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{element}");
}

/// A length to a hundredth of a point, without zeros at its end.
fn length(value: f64) -> String {
    let text = format!("{value:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".into() } else { short.into() }
}

/// Segments as the attribute `d`.
fn data(path: &Path) -> String {
    let mut out = String::new();
    let mut add = |letter: char, points: &[Point]| {
        out.push(letter);
        for (i, point) in points.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            let _ = write!(out, "{gap}{} {}", length(f64::from(point.x)), length(f64::from(point.y)));
        }
    };
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => add('M', &[p]),
            PathSegment::LineTo(p) => add('L', &[p]),
            PathSegment::QuadTo(a, p) => add('Q', &[a, p]),
            PathSegment::CubicTo(a, b, p) => add('C', &[a, b, p]),
            PathSegment::Close => add('Z', &[]),
        }
    }
    out
}

/// A colour as the attributes of `fill` or `stroke`.
fn painted(what: &str, [r, g, b, a]: Colour) -> String {
    let opacity =
        if a == 255 { String::new() } else { format!(" {what}-opacity=\"{}\"", length(f64::from(a) / 255.0)) };
    format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

fn drawn(pen: &Pen) -> String {
    let colour = painted("stroke", pen.colour);
    let ends = if pen.dash.is_empty() {
        " stroke-linecap=\"round\"".into()
    } else {
        let dashes: Vec<String> = pen.dash.iter().map(|d| length(f64::from(*d))).collect();
        format!(" stroke-dasharray=\"{}\"", dashes.join(" "))
    };
    format!("{colour} stroke-width=\"{}\" stroke-linejoin=\"round\"{ends}", length(pen.width))
}

/// Text inside an attribute or an element. Control characters, which XML forbids, are dropped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::canvas::{Anchor, Canvas, Rect, corners};
    use super::super::colour::{BLACK, TRUTH, WHITE};
    use super::*;

    #[test]
    fn the_document_says_what_the_pixels_show() {
        let mut canvas = Canvas::new([200.0, 100.0], 2.0).unwrap();
        let rect = Rect { x: 20.0, y: 10.0, w: 60.0, h: 40.0 };
        canvas.clipped(&corners(rect, false), |canvas| {
            canvas.shade(Rect { x: 0.0, ..rect }, |u, _| (u > 0.5).then_some(TRUTH));
            canvas.disk([140.0, 30.0], 20.0, BLACK);
        });
        canvas.line(&[[100.0, 80.0], [180.0, 80.0]], &Pen::new(BLACK, 4.0).dashed(&[5.0, 2.5]));
        canvas.text([100.0, 65.0], "a < \"b\" & c", 9.0, Anchor::Centre, BLACK);
        let text = canvas.svg().unwrap();
        let svg = roxmltree::Document::parse(&text).expect("valid XML");
        let root = svg.root_element();
        assert_eq!(root.attribute("viewBox"), Some("0 0 200 100"));
        assert_eq!((root.attribute("width"), root.attribute("height")), (Some("200pt"), Some("100pt")));
        let group = svg.descendants().find(|n| n.has_tag_name("g")).unwrap();
        assert_eq!(group.attribute("clip-path"), Some("url(#c0)"));
        let image = group.children().find(|n| n.has_tag_name("image")).unwrap();
        assert_eq!((image.attribute("x"), image.attribute("width")), (Some("0"), Some("60")));
        let png = image.attribute("href").unwrap().strip_prefix("data:image/png;base64,").unwrap();
        assert!(BASE64_STANDARD.decode(png).unwrap().starts_with(b"\x89PNG"));
        assert_eq!(group.children().filter(|n| n.has_tag_name("path")).count(), 1);
        let line = svg.descendants().find(|n| n.has_attribute("stroke-dasharray")).unwrap();
        assert_eq!(line.attribute("d"), Some("M100 80L180 80"));
        let words = svg.descendants().find_map(|n| n.attribute("aria-label"));
        assert_eq!(words, Some("a < \"b\" & c"));
        // The same places as pixels: the image's right half, cut at the left by the clip; the disk outside the clip.
        assert_eq!(canvas.colour_at([50.0, 30.0]), Some(TRUTH));
        assert_eq!(canvas.colour_at([25.0, 30.0]), Some(WHITE));
        assert_eq!(canvas.colour_at([10.0, 30.0]), Some(WHITE));
        assert_eq!(canvas.colour_at([140.0, 30.0]), Some(WHITE));
        assert_eq!(canvas.colour_at([102.0, 80.0]), Some(BLACK));
    }

    #[test]
    fn lengths_are_short() {
        assert_eq!([1.0, 0.5, -0.001, 12.345, 100.0].map(length), ["1", "0.5", "0", "12.35", "100"]);
    }
}
