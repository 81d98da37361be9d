//! Widths of the hidden layers of a network inside a layer, as the notation writes them: `64` or `64-32`.

use super::decode;

/// Most hidden layers that a text of 16 characters can name.
pub(crate) const MOST_HIDDEN: usize = 8;

/// Widths of the hidden layers of a network inside a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HiddenDims {
    pub(crate) widths: [usize; MOST_HIDDEN],
    pub(crate) layers: usize,
}

impl HiddenDims {
    /// From a text such as `64` or `64-32`; the empty text is no hidden layer.
    pub const fn from_code(code: u128) -> HiddenDims {
        let mut dims = HiddenDims { widths: [0; MOST_HIDDEN], layers: 0 };
        let (mut i, length) = (0, decode::text_len(code));
        while i < length {
            let mut width = 0;
            while i < length && decode::text_at(code, i) != b'-' {
                let digit = decode::text_at(code, i);
                assert!(digit.is_ascii_digit(), "hidden widths are a list such as 64 or 64-32");
                width = 10 * width + (digit - b'0') as usize;
                i += 1;
            }
            assert!(width > 0 && i + 1 != length, "hidden widths are a list such as 64 or 64-32");
            dims.widths[dims.layers] = width;
            dims.layers += 1;
            i += 1;
        }
        dims
    }

    /// The widths of a network (in, h_1, .., h_k, out), and how many numbers these are.
    pub(crate) const fn network(self, inputs: usize, outputs: usize) -> ([usize; MOST_HIDDEN + 2], usize) {
        let (mut widths, mut i) = ([inputs; MOST_HIDDEN + 2], 0);
        while i < self.layers {
            widths[i + 1] = self.widths[i];
            i += 1;
        }
        widths[i + 1] = outputs;
        (widths, i + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let dims = HiddenDims::from_code(u64::from_le_bytes(*b"64-32-7\0") as u128);
        let (widths, count) = dims.network(2, 5);
        assert_eq!(&widths[..count], &[2, 64, 32, 7, 5]);
        assert_eq!(HiddenDims::from_code(0).network(2, 5).1, 2);
    }
}
