enum LabelBusPlaceholder {}
