fn main() {}

mod case1 {
    flow_runtime::flow! {
        /// An event.
    }
}
