/* Date arithmetic after Howard Hinnant's algorithms: years begin in March, so that the leap day is
 * the last one, and 400 years (an era) have a fixed number of days. */
#include "agent/core/civil.h"

#define ERA_YEARS 400
#define ERA_DAYS 146097
#define ERA_SHIFT_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

/* Division that rounds down, also below zero; the divisor is positive. */
static int64_t divide_down(int64_t value, int64_t by)
{
	return value >= 0 ? value / by : -((-value + by - 1) / by);
}

int64_t civil_days(int64_t year, unsigned month, int64_t day)
{
	int64_t march_year = month <= 2 ? year - 1 : year;
	int64_t era = divide_down(march_year, ERA_YEARS);
	int64_t year_of_era = march_year - era * ERA_YEARS;
	int64_t march_month = month > 2 ? (int64_t)month - 3 : (int64_t)month + 9;
	int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * ERA_DAYS + day_of_era - ERA_SHIFT_DAYS;
}

unsigned civil_weekday(int64_t days)
{
	int64_t since_sunday = days + 4;
	return (unsigned)(since_sunday - divide_down(since_sunday, 7) * 7);
}

bool civil_is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned civil_month_days(int64_t year, unsigned month)
{
	static const uint8_t days_of_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (month == 2 && civil_is_leap(year))
		return 29;
	return days_of_month[month - 1];
}

struct civil civil_from_seconds(int64_t local_s)
{
	int64_t days = divide_down(local_s, CIVIL_DAY_S);
	int64_t second_of_day = local_s - days * CIVIL_DAY_S;
	int64_t shifted = days + ERA_SHIFT_DAYS;
	int64_t era = divide_down(shifted, ERA_DAYS);
	int64_t day_of_era = shifted - era * ERA_DAYS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
			      365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;
	int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
	return (struct civil){
		.year = (int32_t)(year_of_era + era * ERA_YEARS + (month <= 2 ? 1 : 0)),
		.month = (uint8_t)month,
		.day = (uint8_t)(day_of_year - (153 * march_month + 2) / 5 + 1),
		.hour = (uint8_t)(second_of_day / 3600),
		.minute = (uint8_t)(second_of_day / 60 % 60),
		.second = (uint8_t)(second_of_day % 60),
		.weekday = (uint8_t)civil_weekday(days),
	};
}

int64_t civil_to_seconds(const struct civil *civil)
{
	return civil_days(civil->year, civil->month, civil->day) * CIVIL_DAY_S +
	       civil->hour * 3600 + civil->minute * 60 + civil->second;
}
