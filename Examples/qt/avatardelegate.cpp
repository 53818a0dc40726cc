#include "avatardelegate.h"

#include "avatarlabel.h"

#include <QEvent>
#include <QPainter>
#include <QScrollBar>
#include <utility>

AvatarDelegate::AvatarDelegate(QAbstractItemView *view, int nameRole, AvatarAgent *agent)
    : QStyledItemDelegate(view), m_view(view), m_nameRole(nameRole), m_agent(agent),
      m_blank(blankPicture(side, view->devicePixelRatioF()))
{
    m_look.setSingleShot(true);
    m_look.setInterval(0);
    connect(&m_look, &QTimer::timeout, this, &AvatarDelegate::look);
    connect(view->verticalScrollBar(), &QScrollBar::valueChanged, &m_look, QOverload<>::of(&QTimer::start));
    connect(view->verticalScrollBar(), &QScrollBar::rangeChanged, &m_look, QOverload<>::of(&QTimer::start));
    view->viewport()->installEventFilter(this);
    m_look.start();
}

AvatarDelegate::~AvatarDelegate()
{
    if (m_agent)
        for (const Shown &shown : std::as_const(m_shown))
            m_agent->remove(shown.label);
}

bool AvatarDelegate::eventFilter(QObject *watched, QEvent *event)
{
    switch (event->type()) {
    case QEvent::Show:
    case QEvent::Hide:
    case QEvent::Resize:
        m_look.start();
        break;
    default:
        break;
    }
    return QStyledItemDelegate::eventFilter(watched, event);
}

/// A view says nothing when it is given another model: it is looked at whenever something else changes.
void AvatarDelegate::follow(QAbstractItemModel *model)
{
    if (model == m_followed)
        return;
    if (m_followed)
        m_followed->disconnect(&m_look);
    m_followed = model;
    if (!model)
        return;
    const auto start = QOverload<>::of(&QTimer::start);
    connect(model, &QAbstractItemModel::rowsInserted, &m_look, start);
    connect(model, &QAbstractItemModel::rowsRemoved, &m_look, start);
    connect(model, &QAbstractItemModel::rowsMoved, &m_look, start);
    connect(model, &QAbstractItemModel::modelReset, &m_look, start);
    connect(model, &QAbstractItemModel::layoutChanged, &m_look, start);
    connect(model, &QAbstractItemModel::dataChanged, &m_look, start);
}

void AvatarDelegate::look()
{
    QAbstractItemModel *model = m_view->model();
    follow(model);
    if (!m_agent)
        return;
    QHash<QString, Visibility> wanted;
    const int rows = model ? model->rowCount(m_view->rootIndex()) : 0;
    if (rows > 0 && m_view->isVisible()) {
        const QRect seen = m_view->viewport()->rect();
        const QModelIndex top = m_view->indexAt(seen.topLeft() + QPoint(1, 1));
        const QModelIndex bottom = m_view->indexAt(seen.bottomLeft() + QPoint(1, -1));
        const int first = top.isValid() ? top.row() : 0;
        const int last = bottom.isValid() ? bottom.row() : rows - 1;
        const int page = last - first + 1;
        for (int row = qMax(0, first - page); row <= qMin(rows - 1, last + page); ++row) {
            const QString name = model->index(row, 0, m_view->rootIndex()).data(m_nameRole).toString();
            if (name.isEmpty())
                continue;
            // Several rows may show one avatar; the one that is seen best counts.
            const bool isSeen = row >= first && row <= last;
            if (isSeen || !wanted.contains(name))
                wanted.insert(name, isSeen ? Visibility::Visible : Visibility::Near);
        }
    }
    for (auto shown = m_shown.begin(); shown != m_shown.end();) {
        if (wanted.contains(shown.key())) {
            ++shown;
        } else {
            m_agent->remove(shown->label);
            shown = m_shown.erase(shown);
        }
    }
    for (auto name = wanted.cbegin(); name != wanted.cend(); ++name) {
        const auto known = m_shown.find(name.key());
        if (known != m_shown.end()) {
            known->visibility = name.value();
            m_agent->setVisibility(known->label, name.value());
            continue;
        }
        const QString key = name.key();
        Shown fresh;
        fresh.visibility = name.value();
        fresh.label = m_agent->add(key, name.value(), [this, key](const Avatar &avatar) { show(key, avatar); });
        m_shown.insert(key, fresh);
    }
}

void AvatarDelegate::show(const QString &name, const Avatar &avatar)
{
    const auto shown = m_shown.find(name);
    if (shown == m_shown.end())
        return;
    shown->picture = squarePicture(avatar.file(), side, m_view->devicePixelRatioF());
    if (shown->picture.isNull())
        shown->picture = squarePicture(avatar.fallback, side, m_view->devicePixelRatioF());
    m_view->viewport()->update();
    emit told(name);
}

QHash<QString, Visibility> AvatarDelegate::registered() const
{
    QHash<QString, Visibility> registered;
    for (auto shown = m_shown.cbegin(); shown != m_shown.cend(); ++shown)
        registered.insert(shown.key(), shown->visibility);
    return registered;
}

QSize AvatarDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    const QSize text = QStyledItemDelegate::sizeHint(option, index);
    return {text.width() + side + 2 * margin, qMax(text.height(), side + 2 * margin)};
}

void AvatarDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option, const QModelIndex &index) const
{
    QStyleOptionViewItem text(option);
    text.rect.setLeft(option.rect.left() + side + 2 * margin);
    QStyledItemDelegate::paint(painter, text, index);
    const QPixmap picture = m_shown.value(index.data(m_nameRole).toString()).picture;
    const QPoint place(option.rect.left() + margin, option.rect.top() + (option.rect.height() - side) / 2);
    painter->drawPixmap(place, picture.isNull() ? m_blank : picture);
}
