//! Saving and loading: what is written comes back, anything else is refused and changes nothing.

use dfdx::prelude::*;
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
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![1], &data).unwrap();
    std::fs::write(&path, safetensors::serialize([("a", view)], None).unwrap()).unwrap();
    assert!(pdf.load(&path).unwrap_err().to_string().contains("no entry `format`"));
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
