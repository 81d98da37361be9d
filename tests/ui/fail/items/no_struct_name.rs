fn main() {}

mod case1 {
    flow_runtime::flow! {
        pub struct = e3 : gggg
    }
}
