use flow_runtime::flow;

fn main() {}

flow! {
    pub struct Event
}

flow! {
    pub struct Event =;
}
