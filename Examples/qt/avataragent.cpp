#include "avataragent.h"

#include <QCoreApplication>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QLocalSocket>
#include <QPointer>
#include <unistd.h>

namespace {
/// Milliseconds before the first new try, and at most.
constexpr int retryFirst = 100, retryMost = 5000;
/// What the agent takes in one call (docs/label-bus.md, "Limits").
constexpr int labelsInOneCall = 20000;
/// No reply of the agent is larger.
constexpr int replyBytesMost = 16 * 1024 * 1024;

QString word(Visibility visibility)
{
    switch (visibility) {
    case Visibility::Visible: return QStringLiteral("visible");
    case Visibility::Near: return QStringLiteral("near");
    case Visibility::Hidden: break;
    }
    return QStringLiteral("hidden");
}

QByteArray call(const char *method, const QJsonObject &parameters, bool more)
{
    QJsonObject call{{QStringLiteral("method"), QLatin1String("org.avatard.Agent.") + QLatin1String(method)},
                     {QStringLiteral("parameters"), parameters}};
    if (more)
        call.insert(QStringLiteral("more"), true);
    return QJsonDocument(call).toJson(QJsonDocument::Compact) + '\0';
}

/// Takes the next whole message (JSON, then one NUL byte) out of what was read; false when there is none.
bool takeMessage(QByteArray &unread, QJsonObject &message)
{
    const auto end = unread.indexOf('\0');
    if (end < 0)
        return false;
    message = QJsonDocument::fromJson(unread.left(end)).object();
    unread.remove(0, end + 1);
    return true;
}
} // namespace

AvatarAgent::AvatarAgent(QString socketPath, QObject *parent) : QObject(parent), m_socketPath(std::move(socketPath))
{
    m_flush.setSingleShot(true);
    m_flush.setInterval(0);
    connect(&m_flush, &QTimer::timeout, this, &AvatarAgent::flush);
    m_retry.setSingleShot(true);
    connect(&m_retry, &QTimer::timeout, this, &AvatarAgent::open);
}

AvatarAgent::~AvatarAgent()
{
    // Hanging up takes all labels back. Nobody is to hear of that any more.
    for (auto *socket : {m_stream.get(), m_adjustments.get()})
        if (socket)
            socket->disconnect(this);
}

AvatarAgent *AvatarAgent::instance()
{
    static QPointer<AvatarAgent> agent;
    if (!agent)
        agent = new AvatarAgent(defaultSocketPath(), QCoreApplication::instance());
    return agent;
}

QString AvatarAgent::defaultSocketPath()
{
    const QString given = qEnvironmentVariable("AVATARD_BUS_SOCKET");
    if (!given.isEmpty())
        return given;
    QString runtime = qEnvironmentVariable("XDG_RUNTIME_DIR");
    if (runtime.isEmpty())
        runtime = QStringLiteral("/run/user/%1").arg(getuid());
    return runtime + QStringLiteral("/avatard/agent.sock");
}

QString AvatarAgent::add(const QString &name, Visibility visibility, Told told)
{
    const QString label = QString::number(++m_lastLabel);
    m_labels.insert(label, {name, visibility, std::move(told)});
    changed(label);
    return label;
}

void AvatarAgent::remove(const QString &label)
{
    if (m_labels.remove(label) == 0)
        return;
    m_changed.remove(label);
    m_removed.insert(label);
    m_flush.start();
}

void AvatarAgent::setVisibility(const QString &label, Visibility visibility)
{
    const auto found = m_labels.find(label);
    if (found == m_labels.end() || found->visibility == visibility)
        return;
    found->visibility = visibility;
    changed(label);
}

void AvatarAgent::changed(const QString &label)
{
    m_changed.insert(label);
    m_flush.start();
}

QJsonObject AvatarAgent::request(const QString &label) const
{
    const Label known = m_labels.value(label);
    return {{QStringLiteral("label"), label},
            {QStringLiteral("name"), known.name},
            {QStringLiteral("visibility"), word(known.visibility)}};
}

// Connecting

void AvatarAgent::connectSoon()
{
    m_retryAfter = m_retryAfter == 0 ? retryFirst : qMin(2 * m_retryAfter, retryMost);
    m_retry.start(m_retryAfter);
}

void AvatarAgent::open()
{
    m_unread.clear();
    m_stream = std::make_unique<QLocalSocket>();
    QLocalSocket *stream = m_stream.get();
    connect(stream, &QLocalSocket::connected, this, &AvatarAgent::registerAll);
    connect(stream, &QLocalSocket::readyRead, this, &AvatarAgent::readStream);
    // Queued, since the socket is destroyed by what follows.
    connect(stream, &QLocalSocket::disconnected, this, [this] { hangUp(tr("the agent hung up")); }, Qt::QueuedConnection);
    const auto failed = [this, stream] {
        const QString reason = stream->errorString();
        const auto later = [this, stream, reason] {
            if (stream == m_stream.get())
                hangUp(reason);
        };
        QMetaObject::invokeMethod(this, later, Qt::QueuedConnection);
    };
#if QT_VERSION < QT_VERSION_CHECK(5, 15, 0)
    connect(stream, QOverload<QLocalSocket::LocalSocketError>::of(&QLocalSocket::error), this, failed);
#else
    connect(stream, &QLocalSocket::errorOccurred, this, failed);
#endif
    stream->connectToServer(m_socketPath);
}

void AvatarAgent::registerAll()
{
    // A new subscription knows nothing of the one before. What does not fit into one call is added to it.
    m_changed.clear();
    m_removed.clear();
    QJsonArray labels;
    for (auto label = m_labels.keyBegin(); label != m_labels.keyEnd(); ++label) {
        if (labels.size() < labelsInOneCall)
            labels.append(request(*label));
        else
            m_changed.insert(*label);
    }
    m_stream->write(call("Register", {{QStringLiteral("labels"), labels}, {QStringLiteral("keep"), true}}, true));
}

void AvatarAgent::readStream()
{
    if (!m_stream)
        return;
    m_unread += m_stream->readAll();
    QJsonObject message;
    while (takeMessage(m_unread, message)) {
        if (message.contains(QStringLiteral("error")))
            return hangUp(message.value(QStringLiteral("error")).toString());
        const QJsonObject reply = message.value(QStringLiteral("parameters")).toObject();
        m_subscription = reply.value(QStringLiteral("subscription")).toString();
        const QJsonArray states = reply.value(QStringLiteral("labels")).toArray();
        for (const auto &state : states)
            tell(state.toObject());
        if (reply.value(QStringLiteral("synced")).toBool()) {
            m_retryAfter = 0;
            emit connected();
        }
        // Someone who was told may have thrown the connection away.
        if (!m_stream)
            return;
    }
    if (m_unread.size() > replyBytesMost)
        return hangUp(tr("the agent sent a reply without an end"));
    if (!m_changed.isEmpty() || !m_removed.isEmpty())
        m_flush.start();
}

void AvatarAgent::tell(const QJsonObject &state)
{
    const auto label = m_labels.constFind(state.value(QStringLiteral("label")).toString());
    if (label == m_labels.constEnd())
        return;
    const QJsonObject avatar = state.value(QStringLiteral("avatar")).toObject();
    const auto text = [&avatar](const char *field) { return avatar.value(QLatin1String(field)).toString(); };
    // A copy: the label may be taken back by what it is told.
    const Told told = label->told;
    told({text("name"), text("state"), text("path"), text("fallback"), text("reason")});
}

void AvatarAgent::hangUp(const QString &reason)
{
    if (!m_stream)
        return;
    for (auto *socket : {&m_stream, &m_adjustments}) {
        if (!*socket)
            continue;
        (*socket)->disconnect(this);
        socket->release()->deleteLater();
    }
    m_subscription.clear();
    m_unreadAdjustments.clear();
    emit lost(reason);
    connectSoon();
}

// Adjusting

void AvatarAgent::flush()
{
    if (!m_stream) {
        if (!m_labels.isEmpty() && !m_retry.isActive())
            open();
        return;
    }
    // Until the first reply has come, there is no subscription to adjust; readStream() comes back here.
    if (m_subscription.isEmpty() || (m_changed.isEmpty() && m_removed.isEmpty()))
        return;
    if (!m_adjustments) {
        m_adjustments = std::make_unique<QLocalSocket>();
        connect(m_adjustments.get(), &QLocalSocket::readyRead, this, &AvatarAgent::readAdjustments);
        connect(m_adjustments.get(), &QLocalSocket::disconnected, this,
                [this] { hangUp(tr("the agent hung up")); }, Qt::QueuedConnection);
        m_adjustments->connectToServer(m_socketPath);
    }
    QJsonArray add, remove;
    while (!m_changed.isEmpty() && add.size() < labelsInOneCall) {
        add.append(request(*m_changed.cbegin()));
        m_changed.erase(m_changed.begin());
    }
    while (!m_removed.isEmpty() && remove.size() < labelsInOneCall) {
        remove.append(*m_removed.cbegin());
        m_removed.erase(m_removed.begin());
    }
    m_adjustments->write(call("Adjust",
        {{QStringLiteral("subscription"), m_subscription}, {QStringLiteral("add"), add}, {QStringLiteral("remove"), remove}},
        false));
    if (!m_changed.isEmpty() || !m_removed.isEmpty())
        m_flush.start();
}

void AvatarAgent::readAdjustments()
{
    if (!m_adjustments)
        return;
    m_unreadAdjustments += m_adjustments->readAll();
    QJsonObject message;
    while (takeMessage(m_unreadAdjustments, message))
        if (message.contains(QStringLiteral("error")))
            // The agent and this program disagree about what is registered: begin again.
            return hangUp(message.value(QStringLiteral("error")).toString());
}
