#pragma once

#include "avataragent.h"

#include <QLabel>
#include <QPixmap>
#include <QPointer>

/// Reads the picture and cuts it to a square of `side` device-independent pixels; a null pixmap when the file cannot be read.
QPixmap squarePicture(const QString &file, int side, qreal devicePixelRatio);

/// What is shown while not even a fallback is known: a plain disc.
QPixmap blankPicture(int side, qreal devicePixelRatio);

/// A label that shows an avatar, square and as large as its smaller side. It registers itself, shows the fallback until the picture is
/// there, changes whenever the picture does, and takes itself back when it is destroyed.
class AvatarLabel : public QLabel {
    Q_OBJECT
public:
    explicit AvatarLabel(const QString &name = {}, QWidget *parent = nullptr, AvatarAgent *agent = AvatarAgent::instance());
    ~AvatarLabel() override;

    /// Shows another avatar from now on.
    void setAvatar(const QString &name);
    const Avatar &avatar() const { return m_avatar; }

signals:
    /// After the label was changed.
    void told(const Avatar &avatar);

protected:
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    void resizeEvent(QResizeEvent *event) override;

private:
    void draw();

    QPointer<AvatarAgent> m_agent;
    QString m_label;
    Avatar m_avatar;
};
