#include "avatarlabel.h"

#include <QImageReader>
#include <QPainter>

QPixmap squarePicture(const QString &file, int side, qreal devicePixelRatio)
{
    if (file.isEmpty() || side <= 0)
        return {};
    // Not QPixmap(file), whose cache takes a file that was replaced within a second for the one before.
    QImageReader reader(file);
    reader.setAutoTransform(true);
    reader.setDecideFormatFromContent(true);
    const QImage image = reader.read();
    if (image.isNull())
        return {};
    const int pixels = qRound(side * devicePixelRatio);
    const QImage scaled = image.scaled(pixels, pixels, Qt::KeepAspectRatioByExpanding, Qt::SmoothTransformation);
    QPixmap square = QPixmap::fromImage(
        scaled.copy((scaled.width() - pixels) / 2, (scaled.height() - pixels) / 2, pixels, pixels));
    square.setDevicePixelRatio(devicePixelRatio);
    return square;
}

QPixmap blankPicture(int side, qreal devicePixelRatio)
{
    QPixmap blank(QSize(side, side) * devicePixelRatio);
    blank.setDevicePixelRatio(devicePixelRatio);
    blank.fill(Qt::transparent);
    QPainter painter(&blank);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(QColor(0xb0, 0xb6, 0xbf));
    painter.drawEllipse(0, 0, side, side);
    return blank;
}

AvatarLabel::AvatarLabel(const QString &name, QWidget *parent, AvatarAgent *agent) : QLabel(parent), m_agent(agent)
{
    setAlignment(Qt::AlignCenter);
    setAvatar(name);
}

AvatarLabel::~AvatarLabel()
{
    if (m_agent)
        m_agent->remove(m_label);
}

void AvatarLabel::setAvatar(const QString &name)
{
    if (name == m_avatar.name || !m_agent)
        return;
    m_agent->remove(m_label);
    m_label.clear();
    m_avatar = Avatar();
    m_avatar.name = name;
    if (!name.isEmpty()) {
        m_label = m_agent->add(name, isVisible() ? Visibility::Visible : Visibility::Hidden, [this](const Avatar &avatar) {
            m_avatar = avatar;
            draw();
            emit told(m_avatar);
        });
    }
    setToolTip(name);
    draw();
}

void AvatarLabel::draw()
{
    const int side = qMin(contentsRect().width(), contentsRect().height());
    if (side <= 0)
        return;
    QPixmap picture = squarePicture(m_avatar.file(), side, devicePixelRatioF());
    if (picture.isNull())
        picture = squarePicture(m_avatar.fallback, side, devicePixelRatioF());
    setPixmap(picture.isNull() ? blankPicture(side, devicePixelRatioF()) : picture);
}

void AvatarLabel::showEvent(QShowEvent *event)
{
    QLabel::showEvent(event);
    if (m_agent)
        m_agent->setVisibility(m_label, Visibility::Visible);
}

void AvatarLabel::hideEvent(QHideEvent *event)
{
    QLabel::hideEvent(event);
    if (m_agent)
        m_agent->setVisibility(m_label, Visibility::Hidden);
}

void AvatarLabel::resizeEvent(QResizeEvent *event)
{
    QLabel::resizeEvent(event);
    draw();
}
