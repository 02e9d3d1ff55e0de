/// What a web server's bytes amounted to, in a form that can be compared.
enum Arrival: Equatable {
  case request(body: String, defect: Int?, keeps: Bool)
  case replies([ReadRecord])
  case replyAndClose([ReadRecord])
  case abort
  case close
}
