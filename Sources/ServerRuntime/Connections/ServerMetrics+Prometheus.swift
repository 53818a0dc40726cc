extension ServerMetrics {
    /// The counters in Prometheus' text format (exposition format 0.0.4).
    ///
    /// - Parameter health: the services that the stores stand on.
    package func prometheusText(health: [(service: String, isUp: Bool)] = []) -> String {
        var text = ""
        func add(_ name: String, _ kind: String, _ help: String, _ value: String) {
            text += "# HELP avatar_server_\(name) \(help)\n# TYPE avatar_server_\(name) \(kind)\n"
            text += "avatar_server_\(name) \(value)\n"
        }
        func count(_ name: String, _ help: String, _ counter: Counter) {
            add(name, "counter", help, String(counter.value))
        }
        add("connections_open", "gauge", "Connections that are open now.", String(connectionsOpen.value))
        add(
            "in_flight_bytes", "gauge", "Bytes of requests and replies that are being dealt with.",
            String(bytesInFlight.value))
        count("connections_total", "Connections accepted.", connections)
        count("received_bytes_total", "Bytes read from clients.", bytesIn)
        count("sent_bytes_total", "Bytes of replies handed to the network.", bytesOut)
        count("upload_replies_total", "Answers to 1003 and 1031.", chunksReceived)
        count("download_replies_total", "Answers to 1033.", chunksServed)
        count("other_replies_total", "Answers to 1001 and 1005.", otherReplies)
        count("error_replies_total", "Answers with an error code.", errors)
        count("malformed_bodies_total", "Bodies answered with 1001.", bodiesMalformed)
        count("refused_frames_total", "Frames whose header ended the connection.", framesRefused)
        count("unknown_frames_total", "Frames with an unknown message id.", framesUnknown)
        add(
            "request_seconds_total", "counter", "Time from a request's frame to its encoded answer, summed.",
            String(Double(workNanoseconds.value) / 1e9))
        text += "# HELP avatar_server_store_up Whether the service could be reached when it was last needed.\n"
        text += "# TYPE avatar_server_store_up gauge\n"
        for (service, isUp) in health { text += "avatar_server_store_up{service=\"\(service)\"} \(isUp ? 1 : 0)\n" }
        return text
    }
}
