use flow_runtime::flow;

fn main() {}

flow! {
    /// An event.
}
