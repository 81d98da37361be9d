//! Saving and loading: what is written comes back, anything else is refused and changes nothing.

use dfdx::prelude::*;
use flow_runtime::kernels::{Block, Free};
use flow_runtime::layers::{Affine, AffineOptions, Only, Options};
use flow_runtime::manifolds::Euclidean;
use flow_runtime::module::Unconditional;
use flow_runtime::{FileError, flow};

type Pdf = flow!(e2 + s2 : g(num_kde = 4)t + f | cond 3, hidden 8);
type OtherOption = flow!(e2 + s2 : g(num_kde = 5)t + f | cond 3, hidden 8);
type OtherWidth = flow!(e2 + s2 : g(num_kde = 4)t + f | cond 3, hidden 9);

const X: [[f64; 4]; 1] = [[0.3, -0.5, 1.0, 2.0]];
const F: [[f64; 3]; 1] = [[0.1, 0.2, -0.3]];

#[test]
fn what_is_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let saved = Cpu::seed_from_u64(1).build_module::<Pdf, f64>();
    saved.save(&path).unwrap();
    let mut loaded = Cpu::seed_from_u64(2).build_module::<Pdf, f64>();
    assert_ne!(loaded.flat_weights(), saved.flat_weights());
    loaded.load(&path).unwrap();
    assert_eq!(loaded.flat_weights(), saved.flat_weights());
    let of = |pdf: &flow_runtime::Built<Pdf, f64>| pdf.given(&F).unwrap().log_prob(&X).unwrap().as_vec();
    assert_eq!(of(&loaded), of(&saved));
    // Nothing but the model is left in the folder, also after it is written over.
    saved.save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Networks, log-means and outer networks come back; those that differ in a clause alone are told apart.
#[test]
fn clauses_are_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    macro_rules! differ {
        ($saved:ty, $other:ty, $($told:literal)+) => {{
            let saved = Cpu::seed_from_u64(1).build_module::<$saved, f64>();
            saved.save(&path).unwrap();
            let mut loaded = Cpu::seed_from_u64(2).build_module::<$saved, f64>();
            loaded.load(&path).unwrap();
            assert_eq!(loaded.flat_weights(), saved.flat_weights());
            let mut other = Cpu::seed_from_u64(2).build_module::<$other, f64>();
            let before = other.flat_weights();
            let message = other.load(&path).unwrap_err().to_string();
            assert!(message.contains("another flow") $(&& message.contains($told))+, "{message}");
            assert_eq!(other.flat_weights(), before);
        }};
    }
    differ!(flow!(e1 : t | cond 2, highway 1), flow!(e1 : t | cond 2), "2-128-2 highway 1" "2-128-2,");
    differ!(flow!(e1 : t | cond 2, poisson), flow!(e1 : t | cond 2), "poisson" "2-128-3");
    differ!(flow!(e1 : t | cond 2, poisson 8), flow!(e1 : t | cond 2, poisson 9), "poisson 2-8-1" "poisson 2-9-1");
    differ!(flow!(e1 : t | cond 2, amortize 8), flow!(e1 : t | cond 2, amortize 8(highway = 1)), "amortize 2-8-2" "highway 1");
    differ!(flow!(e1 : t | cond 2, amortize 30), flow!(e1 : t | cond 2, amortize 30(rank = 1)), "amortize 2-30-2" "weights");
    differ!(
        flow!(e1 + e1 + e1 : x + t + x | cond (1, 2, 3)),
        flow!(e1 + e1 + e1 : x + t + x | cond (3, 2, 1)),
        "cond (1, 2, 3)" "cond (3, 2, 1)"
    );
}

#[test]
fn another_flow_is_refused_with_the_difference_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Cpu::seed_from_u64(1).build_module::<Pdf, f64>().save(&path).unwrap();

    let mut other = Cpu::seed_from_u64(2).build_module::<OtherOption, f64>();
    let before = other.flat_weights();
    let message = other.load(&path).unwrap_err().to_string();
    assert!(
        message.contains("another flow") && message.contains("num_kde = 4") && message.contains("num_kde = 5"),
        "{message}"
    );
    assert_eq!(other.flat_weights(), before);

    let message = Cpu::default().build_module::<OtherWidth, f64>().load(&path).unwrap_err().to_string();
    assert!(message.contains("network 3-8-") && message.contains("network 3-9-"), "{message}");

    let mut narrow = Cpu::seed_from_u64(2).build_module::<Pdf, f32>();
    let before = narrow.flat_weights();
    let message = narrow.load(&path).unwrap_err().to_string();
    assert!(message.contains("another number type") && message.contains("f64") && message.contains("f32"), "{message}");
    assert_eq!(narrow.flat_weights(), before);
}

/// The line in the header of a file.
fn notation_of(path: &std::path::Path) -> String {
    let content = std::fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&content).unwrap();
    header.metadata().as_ref().unwrap()["notation"].clone()
}

#[test]
fn a_file_names_every_option_with_its_value_as_the_notation_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Cpu::default().build_module::<Pdf, f64>().save(&path).unwrap();
    let line = notation_of(&path);
    let value = |option: &flow_notation::Opt| match option.name {
        "num_kde" => "4".to_string(),
        _ => option.default.to_string(),
    };
    for letter in ['g', 't', 'f'] {
        let options = flow_notation::letter(letter).unwrap().options;
        let options: Vec<_> = options.iter().map(|option| format!("{} = {}", option.name, value(option))).collect();
        let written = format!("{letter}({})", options.join(", "));
        assert!(line.contains(&written), "{line}\nwithout {written}");
    }
    assert!(line.contains("t(cov_type = \"diagonal\", skip_model_offset = 0, softplus_for_width = 0,"), "{line}");
    // What is printed for people leaves the defaults out.
    let shown = Cpu::default().build_module::<Pdf, f64>().to_string();
    assert!(shown.contains("  g(num_kde = 4) ") && !shown.contains("cov_type"), "{shown}");
}

#[test]
fn an_option_that_differs_is_named_with_both_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    type Saved = flow!(e1 + e2 : x + gg(inverse_function_type = "inormal", clamp_widths = 1)t);
    Cpu::seed_from_u64(1).build_module::<Saved, f64>().save(&path).unwrap();
    macro_rules! told {
        ($flow:ty) => {{
            let mut other = Cpu::seed_from_u64(2).build_module::<$flow, f64>();
            let before = other.flat_weights();
            let message = other.load(&path).unwrap_err().to_string();
            assert_eq!(other.flat_weights(), before);
            message
        }};
    }
    let message = told!(flow!(e1 + e2 : x + g(inverse_function_type = "inormal", clamp_widths = 1)gt));
    assert!(
        message.contains(
            "another flow: in the file\n    layer 1 (`g`) of manifold 1 (`e2`): inverse_function_type = \"inormal\", clamp_widths = 1\n  \
             but this flow has\n    layer 1 (`g`) of manifold 1 (`e2`): inverse_function_type = \"isigmoid\", clamp_widths = 0\n"
        ),
        "{message}"
    );
    let message = told!(
        flow!(e1 + e2 : x + gg(inverse_function_type = "inormal", clamp_widths = 1) t(upper_bound_for_widths = 1e3))
    );
    assert!(
        message.contains("upper_bound_for_widths = 100\n") && message.contains("upper_bound_for_widths = 1000\n"),
        "{message}"
    );
    // Another letter: the lines without options.
    let message = told!(flow!(e1 + e2 : x + gx(add_offset = 1)));
    assert!(message.contains("e1 : x [free, 0 weights] + e2 : g g t [network ") && !message.contains('='), "{message}");
}

/// What the notation `e1 : t` becomes when a default has changed.
struct ChangedDefault;
impl Options<AffineOptions> for ChangedDefault {
    const VALUE: AffineOptions = AffineOptions { softplus_for_width: true, ..AffineOptions::DEFAULT };
}
type OfChangedDefault =
    Unconditional<(), 1, 1, (Block<Euclidean<1>, (Affine<1, Only, ChangedDefault>, ()), Free<2>>, ())>;

#[test]
fn a_file_is_not_another_flow_once_a_default_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Cpu::seed_from_u64(1).build_module::<flow!(e1 : t), f64>().save(&path).unwrap();
    let mut later = Cpu::seed_from_u64(2).build_module::<OfChangedDefault, f64>();
    let message = later.load(&path).unwrap_err().to_string();
    assert!(message.contains("softplus_for_width = 0\n") && message.contains("softplus_for_width = 1\n"), "{message}");
    // Who writes what the file says gets the flow of the file, and the other way round.
    Cpu::seed_from_u64(1).build_module::<OfChangedDefault, f64>().save(&path).unwrap();
    Cpu::default().build_module::<flow!(e1 : t(softplus_for_width = 1)), f64>().load(&path).unwrap();
    assert!(Cpu::default().build_module::<flow!(e1 : t), f64>().load(&path).is_err());
}

/// Files that version 0.1.0 wrote in format 1, which named only options that differed from their defaults, in the words of Rust.
mod format_1 {
    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "old", name].iter().collect()
    }

    macro_rules! written {
        ($e2:literal) => {
            flow!(
                e2 + s2 + s1 + i1[-1, 3] + s3
                : g(num_kde = 2, rotation_mode = "angles", inverse_function_type = $e2, lower_bound_for_widths = 0.001)
                  t(cov_type = "full", upper_bound_for_widths = -1, width_smooth_saturation = 0)
                + f(add_vertical_rq_spline_flow = 1, vertical_flow_defs = "rz", add_circular_rq_spline_flow = 1, circular_flow_defs = "o",
                    kappa_prediction = "softplus_real_bounded", min_kappa = 1e-7)
                  v(num_components = 2, exp_map_type = "quadratic")
                + m(add_rotation = 1)o
                + rz
                + n(hidden_dims = "4-3", zenith_type_layers = "gg", num_basis_functions = 2)
                  c(cnf_network_hidden_dims = "4", solver = "rk4", steps = 4)y
                | hidden 2)
        };
    }
    type Plain = flow!(e1 + s2 : gt + v(num_components = 1) | cond 1, hidden 2);

    #[test]
    fn loads() {
        let mut pdf = Cpu::seed_from_u64(1).build_module::<written!("inormal"), f64>();
        pdf.load(file("options.safetensors")).unwrap();
        // What it was where the file was written.
        let log_prob = pdf.log_prob(&[[0.3, -0.5, 1.0, 2.0, 0.7, 0.4, 1.0, 1.2, 2.0]]).unwrap().array()[0];
        assert!((log_prob - -12.403570088071348).abs() < 1e-9, "{log_prob}");

        let mut pdf = Cpu::seed_from_u64(1).build_module::<Plain, f64>();
        pdf.load(file("defaults.safetensors")).unwrap();
        let log_prob = pdf.given(&[[0.5]]).unwrap().log_prob(&[[0.3, 1.0, 2.0]]).unwrap().array()[0];
        assert!((log_prob - -3.5557885343266893).abs() < 1e-12, "{log_prob}");
    }

    #[test]
    fn another_flow_is_refused_in_the_words_of_the_notation() {
        let mut other = Cpu::default().build_module::<written!("inormal_partly_precise"), f64>();
        let message = other.load(file("options.safetensors")).unwrap_err().to_string();
        assert!(
            message.contains("inverse_function_type = \"inormal\"\n")
                && message.contains("inverse_function_type = \"inormal_partly_precise\"\n"),
            "{message}"
        );
        type Other = flow!(e1 + s2 : gt(softplus_for_width = 1) + v(num_components = 1) | cond 1, hidden 2);
        let message = Cpu::default().build_module::<Other, f64>().load(file("defaults.safetensors")).unwrap_err();
        let message = message.to_string();
        assert!(message.contains("softplus_for_width = 0") && message.contains("softplus_for_width = 1"), "{message}");
    }
}

#[test]
fn damaged_files_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Pdf, f64>();
    pdf.save(&path).unwrap();
    let before = pdf.flat_weights();
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 20, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(pdf.load(&path), Err(FileError::NotAFlow { .. })), "cut at {cut}");
    }
    std::fs::write(&path, b"not a model at all").unwrap();
    assert!(pdf.load(&path).unwrap_err().to_string().contains("not a saved flow"));
    assert!(matches!(pdf.load(folder.path().join("absent")), Err(FileError::Io { .. })));
    assert_eq!(pdf.flat_weights(), before);
    // A file of somebody else's that is sound as such.
    let data: Vec<u8> = vec![0; 8];
    fn view(data: &[u8]) -> safetensors::tensor::TensorView<'_> {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![1], data).unwrap()
    }
    std::fs::write(&path, safetensors::serialize([("a", view(&data))], None).unwrap()).unwrap();
    assert!(pdf.load(&path).unwrap_err().to_string().contains("no entry `format`"));
    // A format of the future.
    let format = [("format".to_string(), "flow-compiler 3".to_string())].into();
    std::fs::write(&path, safetensors::serialize([("a", view(&data))], Some(format)).unwrap()).unwrap();
    let message = pdf.load(&path).unwrap_err().to_string();
    assert!(message.contains("another format") && message.contains("flow-compiler 3"), "{message}");
}

#[test]
fn a_failed_save_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let pdf = Cpu::seed_from_u64(1).build_module::<Pdf, f64>();
    assert!(matches!(pdf.save(folder.path().join("no such folder/model")), Err(FileError::Io { .. })));
    // The path is a folder: the rename fails after the temporary file was written.
    let path = folder.path().join("model");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("inside"), "kept").unwrap();
    assert!(pdf.save(&path).is_err());
    assert_eq!(std::fs::read_to_string(path.join("inside")).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is removed");
}
