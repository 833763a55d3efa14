# Makes the table of `make bench` from samples.
#
# Files, in this order: subjects.txt, rows.txt, the keys of the rows to show, and the samples: row,
# subject and value, one measurement a line. Medians are what is shown and compared.

function trim(text) {
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    return text
}

# The median of the samples of one subject in one row; sorts them first, by insertion.
function median(row, subject,    count, i, j, value, sorted) {
    count = samples_count[row, subject]
    for (i = 1; i <= count; i++) {
        value = samples[row, subject, i]
        for (j = i - 1; j >= 1 && sorted[j] > value; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
    if (count % 2 == 1)
        return sorted[(count + 1) / 2]
    return (sorted[count / 2] + sorted[count / 2 + 1]) / 2
}

function measured(row, subject) {
    return (row, subject) in samples_count
}

function with_unit(value, unit) {
    if (unit != "/s")
        return sprintf(value < 10 ? "%.2f %s" : "%.1f %s", value, unit)
    if (value >= 1e6)
        return sprintf("%.2f M/s", value / 1e6)
    return value >= 1e3 ? sprintf("%.1f k/s", value / 1e3) : sprintf("%.0f /s", value)
}

# How many times as fast `value` is as `other`; above 1 is better, whatever the unit.
function times_as_good(value, other, unit) {
    return unit == "/s" ? value / other : other / value
}

# Judges one requirement; sets `wanted` to its text. Returns what is reached of it, 1 = exactly
# met, or -1 if it cannot be said.
function reached(row, requirement,    parts, factor, reference, against_row, against) {
    if (split(requirement, parts, /[ ]*\*[ ]*/) == 1) {
        wanted = with_unit(requirement + 0, units[row])
        if (!measured(row, own))
            return -1
        return times_as_good(median(row, own), requirement + 0, units[row])
    }
    factor = parts[1] + 0
    reference = parts[2]
    against_row = row
    against = reference
    if (reference ~ /^row:/) {
        against_row = substr(reference, 5)
        against = own
    }
    wanted = factor " x " (reference ~ /^row:/ ? titles[against_row] : names[reference])
    if (!measured(row, own) || !measured(against_row, against))
        return -1
    return times_as_good(median(row, own), median(against_row, against), units[row]) / factor
}

# Sets `must` and `result` for a row.
function judge(row,    count, i, list, share) {
    must = result = ""
    count = requirements[row] == "" ? 0 : split(requirements[row], list, / and /)
    for (i = 1; i <= count; i++) {
        share = reached(row, trim(list[i]))
        must = must (i > 1 ? ", " : "") wanted
        if (share < 0)
            result = result (result == "" ? "" : "; ") "not measured: " wanted
        else if (share < 1)
            result = result (result == "" ? "" : "; ") sprintf("%.0f %% of %s", share * 100, wanted)
    }
    if (count > 0 && result == "")
        result = "met"
    if (count > 0 && !measured(row, own))
        result = "not measured"
}

function add_line(work, value, peer, peer_value, ratio, must, result,    i) {
    lines++
    cells[lines, 1] = work
    cells[lines, 2] = value
    cells[lines, 3] = peer
    cells[lines, 4] = peer_value
    cells[lines, 5] = ratio
    cells[lines, 6] = must
    cells[lines, 7] = result
    for (i = 1; i <= COLUMNS; i++) {
        if (length(cells[lines, i]) > widths[i])
            widths[i] = length(cells[lines, i])
    }
}

# A row has a line for each peer; the first one also has what is the row's own.
function add_row(row,    i, value, peer, ratio, added) {
    judge(row)
    value = measured(row, own) ? with_unit(median(row, own), units[row]) : "-"
    for (i = 1; i <= subjects_count; i++) {
        peer = subjects[i]
        if (peer == own || !measured(row, peer))
            continue
        ratio = "-"
        if (measured(row, own))
            ratio = sprintf("%.2f", times_as_good(median(row, own), median(row, peer), units[row]))
        add_line(added ? "" : titles[row], added ? "" : value, names[peer],
                 with_unit(median(row, peer), units[row]), ratio,
                 added ? "" : must, added ? "" : result)
        added = 1
    }
    if (!added)
        add_line(titles[row], value, "", "", "", must, result)
}

function print_line(line,    i, text) {
    text = "|"
    for (i = 1; i <= COLUMNS; i++) {
        if (i == 2 || i == 4 || i == 5)
            text = text sprintf(" %*s |", widths[i], cells[line, i])
        else
            text = text sprintf(" %-*s |", widths[i], cells[line, i])
    }
    print text
}

function print_rule(    i, j, text) {
    text = "|"
    for (i = 1; i <= COLUMNS; i++) {
        for (j = 0; j < widths[i] + 1; j++)
            text = text "-"
        text = text (i == 2 || i == 4 || i == 5 ? ":|" : "-|")
    }
    print text
}

BEGIN {
    FS = "|"
    COLUMNS = 7
    own = "rainbowfs"
}

FNR == 1 { file++ }
/^#/ || /^[ \t]*$/ { next }
file == 1 {
    subjects[++subjects_count] = trim($1)
    names[trim($1)] = trim($2)
}
file == 2 {
    titles[trim($1)] = trim($2)
    units[trim($1)] = trim($3)
    requirements[trim($1)] = trim($4)
}
file == 3 { shown[++shown_count] = trim($1) }
file == 4 {
    split($0, sample, /[ \t]+/)
    samples[sample[1], sample[2], ++samples_count[sample[1], sample[2]]] = sample[3] + 0
}

END {
    add_line("work", "RainbowFS", "beside", "it reaches", "ratio", "must reach", "result")
    for (row_index = 1; row_index <= shown_count; row_index++)
        add_row(shown[row_index])
    print_line(1)
    print_rule()
    for (line = 2; line <= lines; line++)
        print_line(line)
}
